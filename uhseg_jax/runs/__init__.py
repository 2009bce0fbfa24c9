"""Runs over many images into one folder: claimed, shared out, resumed, joined."""
