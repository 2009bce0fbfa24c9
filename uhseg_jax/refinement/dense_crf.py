"""Labels that follow the edges of an image: a fully connected CRF, by mean field.

Kraehenbuehl & Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", NeurIPS 2011. Any two pixels of different labels pay for being close, and
for being close and of like colour. A step of mean field is one Gaussian filter of the
marginals for either (`permutohedral`), normalised symmetrically; lattice and
normalisation are pydensecrf's, and so are the marginals, up to round-off.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from uhseg_jax import config_checks
from uhseg_jax.refinement import permutohedral
from uhseg_jax.types import Array, Bool, Float, UInt8

__all__ = ["PRESETS", "CRFConfig", "mean_field"]

_SIGMA = config_checks.real("a finite number above 0", lambda x: 0 < x < float("inf"))
_WEIGHT = config_checks.real(
    "a finite number of at least 0", lambda x: 0 <= x < float("inf")
)


@dataclasses.dataclass(frozen=True)
class CRFConfig:
    """Constants of the CRF; those of `recursive_spectral` unless said.

    Attributes:
      gaussian_sigma: standard deviation of closeness, in pixels.
      gaussian_weight: price of different labels by closeness; 0: none.
      bilateral_sigma_xy: standard deviation of closeness where colour counts as well,
        in pixels.
      bilateral_sigma_rgb: standard deviation of likeness, in levels of 255.
      bilateral_weight: price of different labels by closeness and likeness; 0: none.
      iterations: steps of mean field.
    """

    gaussian_sigma: float = 1.0
    gaussian_weight: float = 3.0
    bilateral_sigma_xy: float = 67.0
    bilateral_sigma_rgb: float = 3.0
    bilateral_weight: float = 4.0
    iterations: int = 10

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
          ValueError: one of them is not what it has to be; the message says which.
        """
        config_checks.check_fields(
            self,
            {
                "gaussian_sigma": _SIGMA,
                "gaussian_weight": _WEIGHT,
                "bilateral_sigma_xy": _SIGMA,
                "bilateral_sigma_rgb": _SIGMA,
                "bilateral_weight": _WEIGHT,
                "iterations": config_checks.whole(0),
            },
        )


PRESETS = {
    "recursive_spectral": CRFConfig(),
    "cutler": CRFConfig(3.0, 7.0, 50.0, 5.0, 10.0, 10),
    "pydensecrf": CRFConfig(3.0, 3.0, 80.0, 13.0, 10.0, 5),
}
"""Published constants: of recursive spectral clustering, of CutLER, and of the example
in pydensecrf's README."""


def mean_field(
    unary: Float[Array, "H W k"],
    image: UInt8[Array, "H W 3"] | Float[Array, "H W 3"],
    config: CRFConfig,
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
      mask: the pixels that there are; all if None. The others have no influence.

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
    config: CRFConfig,
    unary: Float[Array, "H W k"],
    image: UInt8[Array, "H W 3"] | Float[Array, "H W 3"],
    mask: Bool[Array, "H W"],
) -> Float[Array, "H W k"]:
    height, width, k = unary.shape
    there = mask.reshape(-1, 1)
    logits = jnp.where(there, -unary.reshape(-1, k), 0)
    y, x = (a.reshape(-1) for a in jnp.indices((height, width), jnp.float32))
    colours = jnp.where(mask[:, :, None], image.astype(jnp.float32), 0).reshape(-1, 3)
    features = [x, y, *colours.T]
    ends = [width - 1, height - 1, 255, 255, 255]

    def kernel(sigmas: list[float]) -> tuple[permutohedral.Lattice, Array]:
        """The lattice, and the square root of what normalises the kernel."""
        scaled = [a / s for a, s in zip(features, sigmas, strict=False)]
        high = [end / s for end, s in zip(ends, sigmas, strict=False)]
        lattice = permutohedral.build_lattice(
            jnp.stack(scaled, axis=1), [0.0] * len(high), high, mask=mask.reshape(-1)
        )
        degrees = permutohedral.filter_values(lattice, jnp.ones((height * width, 1)))
        # Pixels that are not there have degree zero.
        return lattice, jnp.where(there, jax.lax.rsqrt(jnp.where(there, degrees, 1)), 0)

    kernels = []
    if config.gaussian_weight and config.iterations:
        sigmas = [config.gaussian_sigma] * 2
        kernels.append((config.gaussian_weight, *kernel(sigmas)))
    if config.bilateral_weight and config.iterations:
        sigmas = [config.bilateral_sigma_xy] * 2 + [config.bilateral_sigma_rgb] * 3
        kernels.append((config.bilateral_weight, *kernel(sigmas)))

    def body_fn(_: Array, marginals: Float[Array, "n k"]) -> Float[Array, "n k"]:
        energies = logits
        for weight, lattice, scale in kernels:
            filtered = permutohedral.filter_values(lattice, scale * marginals)
            energies = energies + weight * scale * filtered
        return jax.nn.softmax(energies)

    iterations = config.iterations if kernels else 0
    marginals = jax.lax.fori_loop(0, iterations, body_fn, jax.nn.softmax(logits))
    return jnp.where(there, marginals, 0).reshape(height, width, k)
