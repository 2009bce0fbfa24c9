"""Unsupervised hierarchical image segmentation in JAX."""
