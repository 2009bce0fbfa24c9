"""Mapillary Vistas, in both of its versions."""
