"""Clips and volumes: frames or slices in, regions through time or depth out."""
