"""Vision Transformers: one module for all of them."""
