"""Labels that follow the edges of an image: a fully connected CRF, by mean field.

Kraehenbuehl & Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", NeurIPS 2011. Two pixels of different labels cost the more the closer they
are, and the closer in place and colour. A step of mean field is one Gaussian filter of
the marginals for either term (`permutohedral`), normalised symmetrically; lattice and
normalisation are pydensecrf's, and so are the marginals, up to round-off.
"""

import dataclasses
import functools
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from uhseg_jax.refinement.dense_crf import permutohedral
from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.types import Array, Bool, Float, UInt8
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

    def __call__(
        self, log_p: Float[Array, "H W k"], pixels: PixelGrid
    ) -> Float[Array, "H W k"]:
        """Marginals, with the log-probabilities as unary terms."""
        return mean_field(-log_p, pixels.colors, self, mask=pixels.inside)


PRESETS = {
    "recursive_spectral": DenseCRF(),
    "cutler": DenseCRF(3.0, 7.0, 50.0, 5.0, 10.0, 10),
    "pydensecrf": DenseCRF(3.0, 3.0, 80.0, 13.0, 10.0, 5),
}
"""Published constants: of recursive spectral clustering, of CutLER, and of the example
in pydensecrf's README."""


def mean_field(
    unary: Float[Array, "H W k"],
    image: UInt8[Array, "H W 3"] | Float[Array, "H W 3"],
    config: DenseCRF,
    *,
    mask: Bool[Array, "H W"] | None = None,
) -> Float[Array, "H W k"]:
    """Marginals of the labels of every pixel (Algorithm 1, Potts model).

    Under `jax.vmap` images are gone through one after the other.

    Args:
      unary: float32 ``[H, W, k]``, what every label costs a pixel: minus its log
        probability. A label at infinity is none: its marginal is 0.
      image: ``[H, W, 3]``, colours from 0 to 255; others are moved to these ends.
      config: the constants (static).
      mask: True where there is a pixel; everywhere if None. The rest has no influence.

    Returns:
      float32 ``[H, W, k]``; sums over k to 1, or 0 for pixels that are not there.

    Raises:
      ValueError: the standard deviations are so small, and the image so large, that
        the lattice's vertices cannot be numbered in 32 bits.
    """
    mask = jnp.ones(unary.shape[:2], bool) if mask is None else mask
    run = jax.custom_batching.sequential_vmap(functools.partial(_mean_field, config))
    return run(unary, image, mask)


def _mean_field(
    config: DenseCRF,
    unary: Float[Array, "H W k"],
    image: UInt8[Array, "H W 3"] | Float[Array, "H W 3"],
    mask: Bool[Array, "H W"],
) -> Float[Array, "H W k"]:
    height, width, k = unary.shape
    there = mask.reshape(-1, 1)
    logits = jnp.where(there, -unary.reshape(-1, k), 0)
    y, x = (a.reshape(-1) for a in jnp.indices((height, width), jnp.float32))
    colors = jnp.where(mask[:, :, None], image.astype(jnp.float32), 0).reshape(-1, 3)
    features = [x, y, *colors.T]
    ends = [width - 1, height - 1, 255, 255, 255]

    def kernel(sigmas: list[float]) -> tuple[permutohedral.Lattice, Array]:
        """The lattice, and the square root of what normalises the kernel."""
        scaled = [a / s for a, s in zip(features, sigmas, strict=False)]
        high = [end / s for end, s in zip(ends, sigmas, strict=False)]
        lattice = permutohedral.build_lattice(
            jnp.stack(scaled, axis=1), [0.0] * len(high), high, mask=mask.reshape(-1)
        )
        ones = jnp.ones((height * width, 1), logits.dtype)
        degrees = permutohedral.filter_values(lattice, ones)
        # Pixels that are not there have degree zero.
        return lattice, jnp.where(there, jax.lax.rsqrt(jnp.where(there, degrees, 1)), 0)

    place = [config.bilateral_sigma_xy] * 2
    terms = (
        (config.gaussian_weight, [config.gaussian_sigma] * 2),
        (config.bilateral_weight, [*place, *[config.bilateral_sigma_rgb] * 3]),
    )
    kernels = [
        (weight, *kernel(sigmas))
        for weight, sigmas in terms
        if weight and config.iterations
    ]

    def body_fn(_: Array, marginals: Float[Array, "n k"]) -> Float[Array, "n k"]:
        energies = logits
        for weight, lattice, scale in kernels:
            filtered = permutohedral.filter_values(lattice, scale * marginals)
            energies = energies + weight * scale * filtered
        return jax.nn.softmax(energies)

    iterations = config.iterations if kernels else 0
    marginals = jax.lax.fori_loop(0, iterations, body_fn, jax.nn.softmax(logits))
    return jnp.where(there, marginals, 0).reshape(height, width, k)
