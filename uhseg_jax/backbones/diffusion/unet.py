"""The denoising U-Net of Stable Diffusion, with its self-attention in reach.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022);
nested depths and added sizes from Podell et al., "SDXL" (2023). All variants are this
module; they differ by the fields of a `UNetSpec`.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from uhseg_jax.backbones.diffusion.layers import (
    Downsample,
    ResidualBlock,
    TimeEmbedding,
    Upsample,
    conv,
    group_norm,
    sinusoids,
)
from uhseg_jax.backbones.diffusion.recording import AttentionSums
from uhseg_jax.backbones.diffusion.spec import NUM_SIZES, UNetSpec
from uhseg_jax.backbones.diffusion.transformer import SpatialTransformer
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.types import Array, Float, Integer

__all__ = [
    "AddedCondition",
    "DownStage",
    "MiddleStage",
    "UNet",
    "UpStage",
    "check_latents",
]

# Channels of the embedding of time over those of the finest level.
_TIME_RATIO = 4


class AddedCondition(NamedTuple):
    """What the U-Nets of SDXL know besides time and text.

    Attributes:
      pooled: the pooled text.
      sizes: rows and columns of the image before it was resized, of where it was
        cropped, and of the size wanted, in pixels.
    """

    pooled: Float[Array, "b d"]
    sizes: Float[Array, "b 6"]


class _Stage(nn.Module):
    """Shared by the levels: how their parts are made of a spec."""

    spec: UNetSpec
    level: int
    dtype: Any
    attention: AttentionRule

    def resnet(self, index: int, x: Array, time: Array) -> Array:
        """Runs a residual block."""
        return ResidualBlock(
            features=self.spec.channels[self.level],
            groups=self.spec.groups,
            norm_epsilon=self.spec.norm_epsilon,
            dtype=self.dtype,
            name=f"resnets_{index}",
        )(x, time)

    def transformer(
        self,
        index: int,
        depth: int,
        x: Array,
        context: Array,
        sums: AttentionSums | None,
    ) -> tuple[Array, AttentionSums | None]:
        """Runs a transformer, if there is one."""
        if not depth:
            return x, sums
        return SpatialTransformer(
            depth=depth,
            heads=self.spec.heads[self.level],
            groups=self.spec.groups,
            linear_projection=self.spec.linear_projection,
            dtype=self.dtype,
            attention=self.attention,
            name=f"attentions_{index}",
        )(x, context, sums)


class DownStage(_Stage):
    """One level on the way down."""

    @nn.compact
    def __call__(
        self,
        x: Array,
        time: Array,
        context: Array,
        sums: AttentionSums | None,
    ) -> tuple[Array, list[Array], AttentionSums | None]:
        """Returns the image, what the way up will need of it, and the sums."""
        skips = []
        for index, depth in enumerate(self.spec.down_depths[self.level]):
            x = self.resnet(index, x, time)
            x, sums = self.transformer(index, depth, x, context, sums)
            skips.append(x)
        if self.level + 1 < len(self.spec.channels):
            x = Downsample(self.dtype, name="downsamplers_0")(x)
            skips.append(x)
        return x, skips, sums


class MiddleStage(_Stage):
    """The bottom."""

    @nn.compact
    def __call__(
        self,
        x: Array,
        time: Array,
        context: Array,
        sums: AttentionSums | None,
    ) -> tuple[Array, AttentionSums | None]:
        """Returns the image and the sums."""
        x = self.resnet(0, x, time)
        depth = self.spec.middle_depth
        if depth is None:
            return x, sums
        x, sums = self.transformer(0, depth, x, context, sums)
        return self.resnet(1, x, time), sums


class UpStage(_Stage):
    """One level on the way up."""

    @nn.compact
    def __call__(
        self,
        x: Array,
        time: Array,
        context: Array,
        sums: AttentionSums | None,
        skips: list[Array],
    ) -> tuple[Array, AttentionSums | None]:
        """Returns the image and the sums; takes what it needs off the skips."""
        depths = self.spec.up_depths[len(self.spec.channels) - 1 - self.level]
        for index, depth in enumerate(depths):
            x = jnp.concatenate([x, skips.pop()], axis=-1)
            x = self.resnet(index, x, time)
            x, sums = self.transformer(index, depth, x, context, sums)
        if self.level:
            x = Upsample(self.dtype, name="upsamplers_0")(x)
        return x, sums


class UNet(nn.Module):
    """Denoising U-Net that records its self-attention.

    Attributes:
      spec: the architecture.
      dtype: of matrix products and convolutions; parameters, norms, softmax and the
        residual stream are always float32.
      attention: how attention is evaluated (`vit.attention`); a matter of speed only.
    """

    spec: UNetSpec
    dtype: Any = jnp.float32
    attention: AttentionRule = "chunked"

    @nn.compact
    def __call__(
        self,
        latents: Float[Array, "b h w c"],
        timesteps: Float[Array, " b"] | Integer[Array, " b"],
        context: Float[Array, "b m d"],
        *,
        sums: AttentionSums | None = None,
        added: AddedCondition | None = None,
    ) -> tuple[Float[Array, "b h w c"], AttentionSums | None]:
        """Predicts what was added to latents.

        Args:
          latents: noisy latents, scaled as the spec of the autoencoder says.
          timesteps: how noisy the latents are, from 0.
          context: tokens of the text.
          sums: what the maps of self-attention are added to, so that a loop over
            forwards holds one set (`recording.empty_sums`); None to make no maps.
          added: pooled text and sizes, for models that know them.

        Returns:
          The prediction, float32, and the sums.

        Raises:
          ValueError: the latents have other channels, a side cannot be halved down to
            the coarsest level, or ``added`` is missing or not wanted.
        """
        spec = self.spec
        check_latents(spec, latents.shape[1:])
        time = self._embed(timesteps, added)
        x = conv(spec.channels[0], "conv_in", dtype=self.dtype)(latents)
        x = x.astype(jnp.float32)

        def stage(kind: type[Any], name: str, level: int) -> Any:
            return kind(spec, level, self.dtype, self.attention, name=name)

        levels = len(spec.channels)
        skips = [x]
        for level in range(levels):
            x, more, sums = stage(DownStage, f"down_blocks_{level}", level)(
                x, time, context, sums
            )
            skips += more
        x, sums = stage(MiddleStage, "mid_block", levels - 1)(x, time, context, sums)
        for index in range(levels):
            x, sums = stage(UpStage, f"up_blocks_{index}", levels - 1 - index)(
                x, time, context, sums, skips
            )
        x = nn.silu(group_norm(spec.groups, spec.norm_epsilon, "conv_norm_out")(x))
        x = conv(spec.latent_channels, "conv_out", dtype=self.dtype)(x)
        return x.astype(jnp.float32), sums

    def _embed(self, timesteps: Array, added: AddedCondition | None) -> Array:
        """The embedding of time, with pooled text and sizes where they are known."""
        spec = self.spec
        width = _TIME_RATIO * spec.channels[0]
        time = TimeEmbedding(width, self.dtype, name="time_embedding")(
            sinusoids(timesteps.astype(jnp.float32), spec.channels[0])
        )
        if spec.added_width is None:
            if added is not None:
                raise ValueError(
                    "This U-Net knows time and text alone; pass no added condition."
                )
            return time
        if added is None:
            raise ValueError(
                f"This U-Net needs an added condition: a pooled text of "
                f"{spec.pooled_width} channels and {NUM_SIZES} sizes."
            )
        sizes = sinusoids(added.sizes.reshape(-1), spec.size_width)
        sizes = sizes.reshape(added.sizes.shape[0], -1)
        embedded = TimeEmbedding(width, self.dtype, name="add_embedding")(
            jnp.concatenate([added.pooled.astype(jnp.float32), sizes], axis=-1)
        )
        return time + embedded


def check_latents(spec: UNetSpec, shape: tuple[int, ...]) -> None:
    """Refuses latents that the U-Net cannot take.

    Raises:
      ValueError: the channels are others, or a side cannot be halved down to the
        coarsest level.
    """
    height, width, channels = shape
    if channels != spec.latent_channels:
        raise ValueError(
            f"The U-Net takes latents of {spec.latent_channels} channels, found "
            f"{channels}."
        )
    multiple = spec.multiple
    if height % multiple or width % multiple or not height or not width:
        raise ValueError(
            f"The sides of a latent are halved {len(spec.channels) - 1} times, so they "
            f"must be multiples of {multiple}; found {height} x {width} (height x "
            "width)."
        )
