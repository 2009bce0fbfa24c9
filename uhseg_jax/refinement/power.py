"""A toy refiner: probabilities to a power."""

import dataclasses
from typing import Annotated, ClassVar

import jax

from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.types import Array, Float
from uhseg_jax.validators import POSITIVE, Validated


@dataclasses.dataclass(frozen=True)
class Power(Validated):
    """The refiner "power"."""

    name: ClassVar[str] = "power"
    summary: ClassVar[str] = "probabilities to a power, a toy"

    exponent: Annotated[float, POSITIVE] = 2.0

    def __call__(
        self, log_p: Float[Array, "H W k"], pixels: PixelGrid
    ) -> Float[Array, "H W k"]:
        """More certain labels."""
        del pixels
        return jax.nn.softmax(self.exponent * log_p, axis=-1)
