"""The encoder of the variational autoencoder: from pixels to latents.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022),
section 3.1; of the distribution that it encodes the mean is taken. Names of submodules
are diffusers' (AutoencoderKL), with list indices joined by "_". Convolutions and
products run in the dtype of the model; parameters, norms, softmax and the residual
stream are float32.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from uhseg_jax.backbones.diffusion.layers import (
    Downsample,
    ResidualBlock,
    conv,
    group_norm,
)
from uhseg_jax.backbones.diffusion.spec import AutoencoderSpec
from uhseg_jax.backbones.products import dense
from uhseg_jax.backbones.vit.attention import AttentionRule, attend
from uhseg_jax.types import Array, Float, UInt8

__all__ = ["Autoencoder", "Encoder", "GridAttention", "Level", "Middle", "scale_pixels"]


def scale_pixels(images: UInt8[Array, "b H W 3"]) -> Float[Array, "b H W 3"]:
    """Pixels as the encoder reads them: float32 from -1 to 1."""
    return images.astype(jnp.float32) / 127.5 - 1.0


class Autoencoder(nn.Module):
    """The half of the variational autoencoder that encodes.

    Attributes:
      spec: the architecture.
      dtype: of convolutions and matrix products.
      attention: how attention is evaluated (`vit.attention`).
    """

    spec: AutoencoderSpec
    dtype: Any = jnp.float32
    attention: AttentionRule = "chunked"

    @nn.compact
    def __call__(self, pixels: Float[Array, "b H W 3"]) -> Float[Array, "b h w c"]:
        """Encodes images.

        Args:
          pixels: RGB from -1 to 1 (`scale_pixels`); every level but the last halves
            the sides.

        Returns:
          Latents as the U-Net reads them: the mean, without chance, float32 and scaled
          to about unit variance.

        Raises:
          ValueError: a side cannot be halved that often.
        """
        spec = self.spec
        patch = 2 ** (len(spec.channels) - 1)
        height, width = pixels.shape[1:3]
        if height % patch or width % patch:
            raise ValueError(
                f"The autoencoder makes one cell of {patch} x {patch} pixels, which do "
                f"not tile {height} x {width} (height x width); resize or crop to "
                f"multiples of {patch}."
            )
        x = Encoder(spec, self.dtype, self.attention, name="encoder")(pixels)
        x = conv(2 * spec.latent_channels, "quant_conv", dtype=self.dtype, size=1)(x)
        # The other half are the logarithms of variances.
        return x[..., : spec.latent_channels].astype(jnp.float32) * spec.scaling


class Encoder(nn.Module):
    """Levels of residual blocks, each of half the side, and a middle with attention."""

    spec: AutoencoderSpec
    dtype: Any
    attention: AttentionRule

    @nn.compact
    def __call__(self, x: Float[Array, "b H W 3"]) -> Float[Array, "b h w c"]:
        """Maps pixels to means and log-variances, before the last 1 x 1 convolution."""
        spec = self.spec
        x = conv(spec.channels[0], "conv_in", dtype=self.dtype)(x).astype(jnp.float32)
        last = len(spec.channels) - 1
        for level, channels in enumerate(spec.channels):
            x = Level(
                spec,
                self.dtype,
                channels=channels,
                halve=level < last,
                name=f"down_blocks_{level}",
            )(x)
        x = Middle(spec, self.dtype, self.attention, name="mid_block")(x)
        x = nn.silu(_group_norm(spec, "conv_norm_out")(x))
        return conv(2 * spec.latent_channels, "conv_out", dtype=self.dtype)(x)


class Level(nn.Module):
    """Residual blocks at one resolution, then half the side."""

    spec: AutoencoderSpec
    dtype: Any
    channels: int
    halve: bool

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b y x d"]:
        """Maps the grid."""
        for index in range(self.spec.layers):
            x = _residual(self.spec, self.dtype, self.channels, f"resnets_{index}")(x)
        if self.halve:
            # Padded below and on the right alone, as the weights were trained.
            x = Downsample(self.dtype, padding=(0, 1), name="downsamplers_0")(x)
        return x


class Middle(nn.Module):
    """Attention between two residual blocks, at the coarsest resolution."""

    spec: AutoencoderSpec
    dtype: Any
    attention: AttentionRule

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Maps the grid."""
        channels = x.shape[-1]
        x = _residual(self.spec, self.dtype, channels, "resnets_0")(x)
        x = GridAttention(self.spec, self.dtype, self.attention, name="attentions_0")(x)
        return _residual(self.spec, self.dtype, channels, "resnets_1")(x)


class GridAttention(nn.Module):
    """Attention of every cell to every cell, with one head."""

    spec: AutoencoderSpec
    dtype: Any
    rule: AttentionRule

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Maps the grid."""
        batch, height, width, channels = x.shape
        cells = _group_norm(self.spec, "group_norm")(x)
        cells = cells.reshape(batch, height * width, channels)
        mixed = attend(
            *(dense(channels, f"to_{to}", dtype=self.dtype)(cells) for to in "qkv"),
            heads=1,
            # Flash attention has no heads of 512 channels.
            rule="whole" if self.rule == "fused" else self.rule,
            dtype=self.dtype,
        )
        mixed = dense(channels, "to_out_0", dtype=self.dtype)(mixed)
        return x + mixed.astype(jnp.float32).reshape(x.shape)


def _residual(
    spec: AutoencoderSpec, dtype: Any, channels: int, name: str
) -> ResidualBlock:
    return ResidualBlock(channels, spec.groups, spec.norm_epsilon, dtype, name=name)


def _group_norm(spec: AutoencoderSpec, name: str) -> nn.GroupNorm:
    return group_norm(spec.groups, spec.norm_epsilon, name)
