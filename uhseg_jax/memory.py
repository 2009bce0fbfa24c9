"""Running out of memory, as Python and as XLA say it."""

import jax

__all__ = ["ImageMemoryError", "is_out_of_memory"]


class ImageMemoryError(MemoryError):
    """An image is too large for the memory; others may not be."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there is not enough memory, on whatever device."""
    if isinstance(error, MemoryError):
        return True
    is_of_jax = isinstance(error, jax.errors.JaxRuntimeError)
    return is_of_jax and "RESOURCE_EXHAUSTED" in str(error)
