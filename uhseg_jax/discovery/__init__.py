"""Categories found over a collection of pictures: the passes over its pictures."""

from uhseg_jax.discovery.discover import Discovery, discover
from uhseg_jax.discovery.extractor import Extractor

__all__ = ["Discovery", "Extractor", "discover"]
