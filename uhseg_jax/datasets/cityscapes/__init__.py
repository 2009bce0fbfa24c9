"""Cityscapes: street scenes."""
