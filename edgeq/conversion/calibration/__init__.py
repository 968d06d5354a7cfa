"""What representative data say about a float model: ranges, histograms, moments."""
