"""Proofs about a converted model."""
