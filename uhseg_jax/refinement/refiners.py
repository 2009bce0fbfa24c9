"""The registry of refiners, and several of them one after the other."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.refinement.dense_crf import DenseCRF
from uhseg_jax.refinement.label_columns import Columns, columns_of, softmax
from uhseg_jax.refinement.pamr import Pamr
from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.registry import Registry, suggest
from uhseg_jax.types import Array, Float, Int

__all__ = ["REFINERS", "Refiner", "parse_refiners", "run_refiners"]

# PAMR leaves many pixels certain; a refiner after it is to weigh them all the same.
_MIN_PROBABILITY = 1e-5


@runtime_checkable
class Refiner(Protocol):
    """Makes the labels of pixels follow the colours of the image.

    A refiner is a frozen dataclass whose fields are its constants, in a file of its own
    and with one line in `REFINERS`.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """What it is called on command lines."""
        ...

    @property
    def summary(self) -> str:
        """What it is, with its source, for help texts: a noun phrase."""
        ...

    def __call__(self, logits: Columns, pixels: PixelGrid) -> Columns:
        """Probabilities of the labels from others.

        Args:
          logits: logarithms of the probabilities, up to a number for each pixel; very
            low but finite for columns that hold no label.
          pixels: the colours, and which pixels are in the image.

        Returns:
          Columns of the same widths.
        """
        ...


REFINERS: Registry[Refiner] = Registry("refiner", [Pamr(), DenseCRF()])
"""By their names, with the constants they have where nothing is said."""

_WHOLE_PATCHES, _NOTHING_MORE = "none", "upsample"


def parse_refiners(
    wanted: "str | Iterable[str | Refiner] | None",
    known: Mapping[str, Refiner] = REFINERS,
) -> tuple[Refiner, ...] | None:
    """The refiners that a text such as "pamr,crf" names, in the order to run them.

    Args:
      wanted: names separated by commas, or a sequence of names and refiners.
        "upsample" stands for no refiner, so that the features interpolated at the
        pixels decide; "none" for not even that.
      known: what the names stand for.

    Returns:
      The refiners; None for "none", where pixels keep the labels of whole patches, or
      of the method's superpixels.

    Raises:
      ValueError: there is no refiner of a name, or one is named twice.
    """
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",")]
    chosen = None if wanted is None else list(wanted)
    if chosen is None or chosen == [_WHOLE_PATCHES]:
        return None
    if chosen == [_NOTHING_MORE]:
        return ()
    for x in chosen:
        if not isinstance(x, Refiner) and x not in known:
            names = (_WHOLE_PATCHES, _NOTHING_MORE, *known)
            raise ValueError(
                f"unknown refiner {x!r}; expected {_WHOLE_PATCHES}, {_NOTHING_MORE}, "
                f"or one or more of {', '.join(known)}.{suggest(str(x), names)}"
            )
    refiners = tuple(x if isinstance(x, Refiner) else known[x] for x in chosen)
    if len({x.name for x in refiners}) < len(refiners):
        listed = ", ".join(x.name for x in refiners)
        raise ValueError(f"expected every refiner once, but got {listed}.")
    return refiners


def run_refiners(
    refiners: tuple[Refiner, ...], logits: Columns, pixels: PixelGrid, num_labels: int
) -> Columns:
    """Probabilities after the refiners, one after the other.

    Args:
      refiners: what to run, in this order.
      logits: logarithms of the probabilities before, up to a number for each pixel.
      pixels: the pixels that they are of.
      num_labels: columns from there on hold no label.
    """
    p: Columns = ()
    for index, refiner in enumerate(refiners):
        if index:
            starts = columns_of(num_labels)
            logits = [
                _limited(own, x, np.int32(num_labels - start))
                for own, x, start in zip(p, logits, starts, strict=True)
            ]
        p = refiner(logits, pixels)
    return p or softmax(logits)


@jax.jit
def _limited(
    p: Float[Array, "n c"], logits: Float[Array, "n c"], num_labels: Int[Array, ""]
) -> Float[Array, "n c"]:
    """Logarithms of limited probabilities; columns without a label stay as they are."""
    present = jnp.arange(p.shape[1])[None] < num_labels
    return jnp.where(present, jnp.log(jnp.maximum(p, _MIN_PROBABILITY)), logits)
