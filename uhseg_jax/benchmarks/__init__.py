"""Timing the stages of a segmentation beside their anchors, in one run."""
