"""Categories found over a collection of images: the passes over its images."""

from uhseg_jax.discovery.discover import Discovery, discover
from uhseg_jax.discovery.extractor import Extractor

__all__ = ["Discovery", "Extractor", "discover"]
