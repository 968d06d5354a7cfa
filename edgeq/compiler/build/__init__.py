"""Toolchains: from C sources to libraries and images, with every section measured."""
