"""MSCOCO things, from the panoptic annotations."""
