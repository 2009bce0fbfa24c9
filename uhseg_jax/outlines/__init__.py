"""Outlines of regions: borders as arcs, simplified once for both sides; polygons."""
