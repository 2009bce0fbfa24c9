"""Images: found by name, read into uint8 RGB, resized."""

from uhseg_jax.images.finding import IMAGE_SUFFIXES, find_images
from uhseg_jax.images.reading import (
    MAX_MEGAPIXELS,
    ImageError,
    PathLike,
    demo_image,
    read_image,
    resize,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_MEGAPIXELS",
    "ImageError",
    "PathLike",
    "demo_image",
    "find_images",
    "read_image",
    "resize",
]
