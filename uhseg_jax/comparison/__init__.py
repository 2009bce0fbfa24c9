"""Evaluations side by side: tables, curves, and the images on which they differ."""
