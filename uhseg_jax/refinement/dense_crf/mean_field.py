"""Labels that follow the edges of an image: a fully connected CRF, by mean field.

Kraehenbuehl & Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", NeurIPS 2011. Two pixels of different labels cost the more the closer they
are, and the closer in place and colour. A step of mean field is one Gaussian filter of
the marginals for either term (`permutohedral`), normalised symmetrically; lattice and
normalisation are pydensecrf's, and so are the marginals, up to round-off.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.derivatives import require_values
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.dense_crf import permutohedral
from uhseg_jax.refinement.label_columns import WIDTH, Columns, columns_of, softmax
from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.types import Array, Bool, Float, Int, UInt8
from uhseg_jax.validators import POSITIVE, Validated, integer, real

__all__ = ["PRESETS", "DenseCRF", "mean_field"]

_WEIGHT = real("a finite number of at least 0", lambda x: 0 <= x < float("inf"))


@dataclasses.dataclass(frozen=True)
class DenseCRF(Validated):
    """The refiner "crf": its constants are those of `recursive_spectral` unless said.

    Attributes:
      gaussian_sigma: standard deviation of the distance, in pixels.
      gaussian_weight: cost of different labels at no distance; 0 leaves the term out.
      bilateral_sigma_xy: standard deviation of the distance where colour counts as
        well, in pixels.
      bilateral_sigma_rgb: standard deviation of the colour, in levels of 255.
      bilateral_weight: cost of different labels at no distance in place and colour; 0
        leaves the term out.
      iterations: steps of mean field.

    Raises:
      ValueError: a constant is out of its range; the message names it.
    """

    name: ClassVar[str] = "crf"
    summary: ClassVar[str] = "a dense CRF (Kraehenbuehl & Koltun, NeurIPS 2011)"

    gaussian_sigma: Annotated[float, POSITIVE] = 1.0
    gaussian_weight: Annotated[float, _WEIGHT] = 3.0
    bilateral_sigma_xy: Annotated[float, POSITIVE] = 67.0
    bilateral_sigma_rgb: Annotated[float, POSITIVE] = 3.0
    bilateral_weight: Annotated[float, _WEIGHT] = 4.0
    iterations: Annotated[int, integer(0)] = 10

    def __call__(self, logits: Columns, pixels: PixelGrid) -> list[Float[Array, "n c"]]:
        """Marginals, with the log-probabilities as unary terms."""
        size = int(pixels.height), int(pixels.width)
        return _marginals(self, logits, pixels.colors, pixels.inside(), size)


PRESETS = {
    "recursive_spectral": DenseCRF(),
    "cutler": DenseCRF(3.0, 7.0, 50.0, 5.0, 10.0, 10),
    "pydensecrf": DenseCRF(3.0, 3.0, 80.0, 13.0, 10.0, 5),
}
"""Published constants: of recursive spectral clustering, of CutLER, and of the example
in pydensecrf's README."""


def mean_field(
    unary: Float[Array | np.ndarray, "H W k"],
    image: UInt8[Array | np.ndarray, "H W 3"] | Float[Array | np.ndarray, "H W 3"],
    config: DenseCRF,
    *,
    mask: Bool[Array | np.ndarray, "H W"] | None = None,
) -> Float[Array, "H W k"]:
    """Marginals of the labels of every pixel (Algorithm 1, Potts model).

    Not to be traced: the lattices' sizes depend on the colours.

    Args:
      unary: float32 ``[H, W, k]``, what every label costs a pixel: minus its log
        probability. A label at infinity is none: its marginal is 0.
      image: ``[H, W, 3]``, colours from 0 to 255; others are moved to these ends.
      config: the constants.
      mask: True where there is a pixel; everywhere if None. The rest has no influence.

    Returns:
      float32 ``[H, W, k]``; sums over k to 1, or 0 for pixels that are not there.

    Raises:
      ValueError: the standard deviations are so small, and the image so large, that
        the lattice's vertices cannot be numbered in 32 bits.
    """
    require_values("The dense CRF", (unary, image))
    height, width, k = unary.shape
    n = height * width
    inside = jnp.ones((n,), bool) if mask is None else jnp.asarray(mask).reshape(n)
    logits = -jnp.asarray(unary).reshape(n, k)
    padding = ((0, 0), (0, -k % WIDTH))
    logits = jnp.pad(logits, padding, constant_values=-jnp.inf)
    parts = [logits[:, first : first + WIDTH] for first in columns_of(k)]
    colors = jnp.asarray(image).reshape(n, 3)
    found = _marginals(config, parts, colors, inside, (height, width))
    return jnp.concatenate(found, axis=1)[:, :k].reshape(unary.shape)


@pytree_dataclass
class _Kernel:
    """One term of the pairwise energy.

    Attributes:
      weight: cost of different labels at no distance.
      lattice: filters values by the kernel.
      scale: the square root of what normalises it; 0 for pixels that are not there.
    """

    weight: Float[Array, ""]
    lattice: permutohedral.Lattice
    scale: Float[Array, "n 1"]


def _marginals(
    config: DenseCRF,
    logits: Columns,
    colors: UInt8[Array, "n 3"] | Float[Array, "n 3"],
    inside: Bool[Array, " n"],
    size: tuple[int, int],
) -> list[Float[Array, "n c"]]:
    """As `mean_field`, for pixels row by row of an image of (height, width)."""
    place, color = [config.bilateral_sigma_xy] * 2, [config.bilateral_sigma_rgb] * 3
    terms = (
        (config.gaussian_weight, [config.gaussian_sigma] * 2),
        (config.bilateral_weight, [*place, *color]),
    )
    kernels = [
        _kernel(weight, sigmas, colors, inside, size)
        for weight, sigmas in terms
        if weight and config.iterations
    ]
    logits = [_inside(x, inside) for x in logits]
    marginals = softmax(logits)
    for _ in range(config.iterations if kernels else 0):
        energies = logits
        for kernel in kernels:
            energies = [
                _with_messages(kernel, x, p)
                for x, p in zip(energies, marginals, strict=True)
            ]
        marginals = softmax(energies)
    return [_inside(p, inside) for p in marginals]


def _kernel(
    weight: float,
    sigmas: list[float],
    colors: Array,
    inside: Bool[Array, " n"],
    size: tuple[int, int],
) -> _Kernel:
    height, width = size
    ends = [width - 1, height - 1, 255, 255, 255]
    points = _points(colors, np.int32(width), np.asarray(sigmas, np.float32))
    high = [end / s for end, s in zip(ends, sigmas, strict=False)]
    lattice = permutohedral.build_lattice(points, [0.0] * len(high), high, mask=inside)
    scale = _scale(lattice, inside)
    return _Kernel(jnp.asarray(weight, jnp.float32), lattice, scale)


@jax.jit
def _points(
    colors: Array, width: Int[Array, ""], sigmas: Float[Array, " d"]
) -> Float[Array, "n d"]:
    """Places and, where there are more than two sigmas, colours of the pixels."""
    index = jnp.arange(colors.shape[0], dtype=jnp.int32)[:, None]
    parts = [index % width, index // width, colors]
    features = jnp.concatenate([x.astype(jnp.float32) for x in parts], axis=1)
    return features[:, : sigmas.size] / sigmas[None]


@jax.jit
def _scale(
    lattice: permutohedral.Lattice, inside: Bool[Array, " n"]
) -> Float[Array, "n 1"]:
    there = inside[:, None]
    degrees = permutohedral.filter_values(lattice, there.astype(jnp.float32))
    return jnp.where(there, jax.lax.rsqrt(jnp.where(there, degrees, 1)), 0)


@jax.jit
def _with_messages(
    kernel: _Kernel, energies: Float[Array, "n c"], marginals: Float[Array, "n c"]
) -> Float[Array, "n c"]:
    """The energies with the messages of one term."""
    filtered = permutohedral.filter_values(kernel.lattice, kernel.scale * marginals)
    return energies + kernel.weight * kernel.scale * filtered


@jax.jit
def _inside(x: Float[Array, "n c"], inside: Bool[Array, " n"]) -> Float[Array, "n c"]:
    """Zeros for pixels that are not there."""
    return jnp.where(inside[:, None], x, 0)
