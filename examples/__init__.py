"""Runnable stories: train, quantize, prove, measure, each on real data that ships in a package."""
