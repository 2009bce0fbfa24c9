"""Images: found by name, read into uint8 RGB, resized."""

from uhseg_jax.images.decoding import MAX_MEGAPIXELS, open_image
from uhseg_jax.images.finding import Found, find_images, search
from uhseg_jax.images.kinds import IMAGE_SUFFIXES
from uhseg_jax.images.reading import DEMO, ImageLike, demo_image, read_image
from uhseg_jax.images.resizing import resize
from uhseg_jax.images.sources import (
    DEFAULT_MEMORY,
    ImageError,
    PathLike,
    open_file,
    read_file,
)
from uhseg_jax.images.walking import natural_order

__all__ = [
    "DEFAULT_MEMORY",
    "DEMO",
    "IMAGE_SUFFIXES",
    "MAX_MEGAPIXELS",
    "Found",
    "ImageError",
    "ImageLike",
    "PathLike",
    "demo_image",
    "find_images",
    "natural_order",
    "open_file",
    "open_image",
    "read_file",
    "read_image",
    "resize",
    "search",
]
