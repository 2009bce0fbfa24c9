"""Images: found by name, read into uint8 RGB, resized."""

from uhseg_jax.images.decoding import MAX_MEGAPIXELS, open_image
from uhseg_jax.images.finding import Found, find_images, search
from uhseg_jax.images.reading import demo_image, read_image, resize
from uhseg_jax.images.sources import DEFAULT_MEMORY, ImageError, PathLike, read_file
from uhseg_jax.images.walking import IMAGE_SUFFIXES, natural_order

__all__ = [
    "DEFAULT_MEMORY",
    "IMAGE_SUFFIXES",
    "MAX_MEGAPIXELS",
    "Found",
    "ImageError",
    "PathLike",
    "demo_image",
    "find_images",
    "natural_order",
    "open_image",
    "read_file",
    "read_image",
    "resize",
    "search",
]
