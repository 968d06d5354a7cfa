"""Targets, CPUs and runtimes as data: what is known of the places where models run."""
