"""COCO-Stuff: things and stuff."""
