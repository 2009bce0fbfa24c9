"""BSDS500: contours by several people."""
