"""The layers of a latent diffusion U-Net outside its transformers.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022);
residual blocks as in Dhariwal & Nichol, "Diffusion Models Beat GANs" (2021), Appendix.
Images are [b, h, w, d]. Convolutions and products run in the dtype of the model;
parameters, norms, softmax and the residual stream are float32. Names of submodules are
those of diffusers, with the index of a list joined by "_", and part of every
checkpoint.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.products import activation_dtype, dense, matmul_precision
from uhseg_jax.types import Array, Float

__all__ = [
    "Downsample",
    "ResidualBlock",
    "TimeEmbedding",
    "Upsample",
    "conv",
    "group_norm",
    "sinusoids",
]

# Of the slowest sine of an embedding of time, over two pi.
_LONGEST_PERIOD = 10_000.0


def conv(
    features: int,
    name: str,
    *,
    dtype: Any,
    size: int = 3,
    stride: int = 1,
    padding: tuple[int, int] | None = None,
) -> nn.Conv:
    """A convolution with zeros around: as many on every side, or before and after."""
    around = padding or (size // 2, size // 2)
    return nn.Conv(
        features,
        kernel_size=(size, size),
        strides=(stride, stride),
        padding=(around, around),
        dtype=activation_dtype(dtype),
        param_dtype=jnp.float32,
        precision=matmul_precision(activation_dtype(dtype)),
        name=name,
    )


def group_norm(groups: int, epsilon: float, name: str) -> nn.GroupNorm:
    """A GroupNorm in float32."""
    # The fast variance E[x^2] - E[x]^2 loses digits where channels have a large mean.
    return nn.GroupNorm(
        num_groups=groups,
        epsilon=epsilon,
        dtype=jnp.float32,
        use_fast_variance=False,
        name=name,
    )


def sinusoids(values: Float[Array, " n"], width: int) -> Float[Array, "n {width}"]:
    """Cosines, then sines, of falling frequency (Ho et al. 2020, Appendix B).

    Args:
      values: timesteps, or sizes in pixels.
      width: channels; half of them cosines.
    """
    half = width // 2
    # A timestep near 1000 makes 1000 eps of each rounding here, so the roundings are
    # those that the weights were trained with: exponents in float32.
    exponents = np.arange(half, dtype=np.float32) * np.float32(-np.log(_LONGEST_PERIOD))
    exponents = exponents / np.float32(half)
    frequencies = np.exp(exponents.astype(np.float64)).astype(np.float32)
    angles = values.astype(jnp.float32)[:, None] * jnp.asarray(frequencies)[None, :]
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


class TimeEmbedding(nn.Module):
    """Two linear layers over sinusoids."""

    width: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b c"]) -> Float[Array, "b d"]:
        """Embeds each row."""
        hidden = nn.silu(dense(self.width, "linear_1", dtype=self.dtype)(x))
        embedded = dense(self.width, "linear_2", dtype=self.dtype)(hidden)
        return embedded.astype(jnp.float32)


class ResidualBlock(nn.Module):
    """Two convolutions beside the residual stream, which is float32.

    In the U-Net the embedding of time comes between them.
    """

    features: int
    groups: int
    norm_epsilon: float
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], time: Float[Array, "b t"] | None = None
    ) -> Float[Array, "b h w d"]:
        """Maps an image.

        Args:
          x: the image.
          time: embedding of the timestep; None in the autoencoder.

        Returns:
          The image with the residual added, float32.
        """

        def normed(x: Array, name: str) -> Array:
            return nn.silu(group_norm(self.groups, self.norm_epsilon, name)(x))

        hidden = conv(self.features, "conv1", dtype=self.dtype)(normed(x, "norm1"))
        hidden = hidden.astype(jnp.float32)
        if time is not None:
            shift = dense(self.features, "time_emb_proj", dtype=self.dtype)
            shifts = shift(nn.silu(time)).astype(jnp.float32)
            hidden = hidden + shifts[:, None, None]
        hidden = normed(hidden, "norm2")
        hidden = conv(self.features, "conv2", dtype=self.dtype)(hidden)
        if x.shape[-1] != self.features:
            x = conv(self.features, "conv_shortcut", dtype=self.dtype, size=1)(x)
        return x.astype(jnp.float32) + hidden.astype(jnp.float32)


class Downsample(nn.Module):
    """Every other cell of a convolution."""

    dtype: Any
    padding: tuple[int, int] = (1, 1)

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b H W d"]:
        """Halves both sides."""
        halved = conv(
            x.shape[-1], "conv", dtype=self.dtype, stride=2, padding=self.padding
        )(x)
        return halved.astype(jnp.float32)


class Upsample(nn.Module):
    """A convolution of an image whose cells stand twice in both directions."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b H W d"]:
        """Doubles both sides."""
        x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        return conv(x.shape[-1], "conv", dtype=self.dtype)(x).astype(jnp.float32)
