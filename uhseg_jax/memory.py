"""Running out of memory, as Python and as XLA say it."""

import contextlib
from collections.abc import Iterator

import jax

from uhseg_jax.types import Pixels

__all__ = ["ImageMemoryError", "blame_image", "is_out_of_memory"]


class ImageMemoryError(MemoryError):
    """An image is too large for the memory; others may not be."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there is not enough memory, on whatever device."""
    if isinstance(error, MemoryError):
        return True
    is_of_jax = isinstance(error, jax.errors.JaxRuntimeError)
    return is_of_jax and "RESOURCE_EXHAUSTED" in str(error)


@contextlib.contextmanager
def blame_image(image: Pixels, advice: str) -> Iterator[None]:
    """What is too large for the memory is the fault of its image.

    Args:
      image: that is worked on.
      advice: what to do.

    Raises:
      ImageMemoryError: the block ran out of memory.
    """
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        height, width = image.shape[:2]
        raise ImageMemoryError(
            f"the regions of an image of {width} x {height} pixels do not fit into "
            f"the memory there is; {advice}."
        ) from error
