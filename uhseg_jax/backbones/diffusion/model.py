"""A latent diffusion model: autoencoder, text encoders and U-Net in one module.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022).
The parts are called as the folders of diffusers are, in the parameter tree as well.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.diffusion.autoencoder import Autoencoder, scale_pixels
from uhseg_jax.backbones.diffusion.recording import AttentionSums
from uhseg_jax.backbones.diffusion.spec import DiffusionSpec
from uhseg_jax.backbones.diffusion.unet import AddedCondition, UNet
from uhseg_jax.backbones.text.encoder import TextEncoder
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.entry import entry_point
from uhseg_jax.types import Array, Float, Int, Integer, UInt8

__all__ = [
    "Diffusion",
    "Prompt",
    "abstract_params",
    "check_image_sides",
    "random_params",
]


class Prompt(NamedTuple):
    """What a U-Net reads of prompts, float32.

    Attributes:
      tokens: of the text encoders, side by side in the channels.
      pooled: the pooled text of the last encoder; used by the models of SDXL alone.
    """

    tokens: Float[Array, "b length c"]
    pooled: Float[Array, "b p"]


class Diffusion(nn.Module):
    """A latent diffusion model.

    Its methods are used through ``module.apply({"params": params}, ..., method=...)``.

    Attributes:
      spec: the architecture.
      dtype: of matrix products and convolutions; parameters, norms, softmax and the
        residual streams are always float32.
      attention: how attention is evaluated (`vit.attention`); a matter of speed only.
    """

    spec: DiffusionSpec
    dtype: Any = jnp.float32
    attention: AttentionRule = "chunked"

    def setup(self) -> None:
        """Makes the parts."""
        spec = self.spec
        self.unet = UNet(spec.unet, self.dtype, self.attention)
        self.vae = Autoencoder(spec.autoencoder, self.dtype, self.attention)
        self.text_encoder = TextEncoder(spec.text_encoders[0], self.dtype)
        if len(spec.text_encoders) > 1:
            self.text_encoder_2 = TextEncoder(spec.text_encoders[1], self.dtype)

    def encode(self, pixels: UInt8[Array, "b H W 3"]) -> Float[Array, "b h w c"]:
        """Makes latents of images.

        Args:
          pixels: RGB; the sides are multiples of ``spec.multiple``.

        Returns:
          The mean of the latents, scaled for the U-Net, float32.

        Raises:
          ValueError: a side cannot be halved as often as the model does.
        """
        check_image_sides(self.spec, pixels.shape[1], pixels.shape[2])
        latents: Array = self.vae(scale_pixels(pixels))
        return latents

    def read(self, ids: Sequence[Integer[Array, "b length"]]) -> Prompt:
        """Reads prompts.

        Args:
          ids: for every text encoder, the tokens of the prompts.

        Returns:
          What the U-Net takes of them.

        Raises:
          ValueError: there are not as many arrays as encoders, or the prompts have
            another length than they read.
        """
        encoders = [self.text_encoder]
        if len(self.spec.text_encoders) > 1:
            encoders.append(self.text_encoder_2)
        if len(ids) != len(encoders):
            raise ValueError(
                f"The model has {len(encoders)} text encoders; expected tokens for "
                f"each, found {len(ids)} arrays."
            )
        read = [encoder(x) for encoder, x in zip(encoders, ids, strict=True)]
        tokens = jnp.concatenate([text.tokens for text in read], axis=-1)
        return Prompt(tokens=tokens.astype(jnp.float32), pooled=read[-1].pooled)

    def predict(
        self,
        latents: Float[Array, "b h w c"],
        timestep: Int[Array, ""],
        prompt: Prompt,
        *,
        sums: AttentionSums | None = None,
    ) -> tuple[Float[Array, "b h w c"], AttentionSums | None]:
        """One forward of the U-Net, all latents at the same timestep.

        The models of SDXL are told that the images are whole and of their own size.

        Args:
          latents: scaled latents.
          timestep: how noisy the latents are.
          prompt: one for all latents, or one for each.
          sums: what the maps of self-attention are added to; None to make no maps.

        Returns:
          The prediction (the noise, or the velocity), float32, and the sums.

        Raises:
          ValueError: the latents do not fit the U-Net.
        """
        batch, height, width, _ = latents.shape

        def for_each(x: Array) -> Array:
            return jnp.broadcast_to(x, (batch, *x.shape[1:]))

        added = None
        if self.spec.unet.added_width is not None:
            size = (height * self.spec.patch, width * self.spec.patch)
            sizes = jnp.array([[*size, 0, 0, *size]], jnp.float32)
            added = AddedCondition(for_each(prompt.pooled), for_each(sizes))
        found: tuple[Array, AttentionSums | None] = self.unet(
            latents,
            jnp.broadcast_to(timestep, (batch,)),
            for_each(prompt.tokens),
            sums=sums,
            added=added,
        )
        return found

    def __call__(
        self,
        pixels: UInt8[Array, "b H W 3"],
        ids: Sequence[Integer[Array, "1 length"]],
    ) -> Float[Array, "b h w c"]:
        """Runs every part once, as making parameters needs it."""
        latents = self.encode(pixels)
        prediction, _ = self.predict(latents, jnp.zeros((), jnp.int32), self.read(ids))
        return prediction


def check_image_sides(spec: DiffusionSpec, height: int, width: int) -> None:
    """Refuses an image whose sides the model cannot halve as often as it does.

    Raises:
      ValueError: a side is no multiple of ``spec.multiple``; the nearest are named.
    """
    multiple = spec.multiple
    if height > 0 and width > 0 and height % multiple == width % multiple == 0:
        return

    def nearest(side: int) -> int:
        return max(1, round(side / multiple)) * multiple

    raise ValueError(
        "The model halves the sides of an image until one cell stands for "
        f"{multiple} x {multiple} pixels, which do not tile {height} x {width} "
        f"(height x width). The nearest size that fits is {nearest(height)} x "
        f"{nearest(width)}."
    )


def abstract_params(spec: DiffusionSpec) -> dict[str, Any]:
    """The parameter tree as a nested dict of `jax.ShapeDtypeStruct`, computing none.

    At its top are ``unet``, ``vae``, ``text_encoder`` and perhaps ``text_encoder_2``.
    """
    params: dict[str, Any] = jax.tree.map(lambda leaf: leaf, _traced_params(spec))
    return params


@functools.lru_cache(maxsize=8)
@entry_point
def _traced_params(spec: DiffusionSpec) -> Any:
    """The tree that tracing gives, which takes seconds; not to be changed."""
    side = spec.multiple
    pixels = jax.ShapeDtypeStruct((1, side, side, 3), jnp.uint8)
    ids = [
        jax.ShapeDtypeStruct((1, encoder.length), jnp.int32)
        for encoder in spec.text_encoders
    ]
    init = Diffusion(spec).init
    tree: dict[str, Any] = jax.eval_shape(init, jax.random.key(0), pixels, ids)
    return tree["params"]


def random_params(spec: DiffusionSpec) -> Any:
    """Random float32 parameters, the same on every run.

    Kernels keep the variance of what they are applied to; scales lie around one, biases
    around zero.
    """
    # By numpy: to compile the initialisers of hundreds of shapes takes minutes.
    rng = np.random.default_rng(0)

    def make(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> Array:
        values = rng.standard_normal(leaf.shape, np.float32)
        match path[-1].key:
            case "kernel":
                values *= np.float32(math.prod(leaf.shape[:-1]) ** -0.5)
            case "scale":
                values = 1 + np.float32(0.1) * values
            case _:
                values *= np.float32(0.1)
        return jnp.asarray(values)

    return jax.tree_util.tree_map_with_path(make, abstract_params(spec))
