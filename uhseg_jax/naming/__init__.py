"""Names for regions: what they may be called (`options`), and which fits (`namer`).

The first needs no model, so nothing is imported here.
"""
