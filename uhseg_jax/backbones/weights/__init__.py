"""Weights: where they come from, how they are read, converted and kept."""
