"""Labels and patches of an image as vectors of one space: both sides of a CLIP at work.

A label is the mean over several texts (Radford et al. 2021, section 3.1.4). A patch is
what the last block would hand on if every patch attended to itself alone: its value,
through the output layer of the attention, the final norm and the projection that CLIP
has for its class token. That is MaskCLIP (Zhou, Loy & Dai, "Extract Free Dense Labels
from CLIP", ECCV 2022). The code of its authors adds the residual stream and the MLP of
that block; Lan et al., "ClearCLIP" (ECCV 2024), found regions clearer without both, and
so this is.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any

import flax.traverse_util
import jax
import numpy as np

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.clip.model import POSITIONS, TextSide
from uhseg_jax.backbones.clip.variants import text_side_of
from uhseg_jax.backbones.dtypes import AUTO
from uhseg_jax.backbones.loading import load_backbone
from uhseg_jax.backbones.products import dense
from uhseg_jax.backbones.requests import Grid, grid_shape
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.text.tokenizer import prompt_ids
from uhseg_jax.backbones.vit.features import FeatureRequest, compute_features
from uhseg_jax.backbones.vit.layers import layer_norm
from uhseg_jax.backbones.vit.model import ViT, block_name
from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.replacing import is_cached
from uhseg_jax.cache import checkpoint_directory
from uhseg_jax.entry import entry_point
from uhseg_jax.features.checks import at_unit_length
from uhseg_jax.images import resize
from uhseg_jax.types import Array, Float, Int, Pixels, UInt8

__all__ = ["Clip", "load_clip"]

_TEXTS_AT_ONCE = 32
_LENGTHS = 16  # programs are for multiples of so many tokens


@dataclasses.dataclass(frozen=True)
class Clip:
    """Both sides of a CLIP, with their weights.

    Attributes:
      image: the image encoder.
      text: the rest.
    """

    image: Backbone
    text: Backbone

    @property
    def scale(self) -> float:
        """The factor of cosine similarities that the model was trained with."""
        return float(np.exp(np.asarray(self.text.params["logit_scale"])))

    @property
    def grid(self) -> int:
        """Patches along a side of images of twice the side of training."""
        return int(2 * self.image.module.spec.native_grid)

    @entry_point
    def labels(self, texts: Sequence[Sequence[str]]) -> Float[np.ndarray, "k p"]:
        """The vectors of labels, of unit length.

        Args:
          texts: of every label several, whose unit vectors are averaged.

        Raises:
          WeightsError: the files of the tokenizer are damaged.
          MissingPackageError: the package `tokenizers` is not installed.
        """
        ids = np.stack([self._ids(text) for label in texts for text in label])
        ids = _without_padding(ids, self.text.module.spec.text)
        found = []
        for start in range(0, len(ids), _TEXTS_AT_ONCE):
            some = ids[start : start + _TEXTS_AT_ONCE]
            # One shape, so one program.
            filled = np.pad(some, ((0, _TEXTS_AT_ONCE - len(some)), (0, 0)), "edge")
            read = _read(self.text.module, self.text.params, filled)
            found.append(np.asarray(read)[: len(some)])
        units = at_unit_length(np.concatenate(found))
        ends = np.cumsum([len(label) for label in texts])[:-1]
        return at_unit_length(np.stack([x.mean(axis=0) for x in np.split(units, ends)]))

    @entry_point
    def patches(
        self, image: Pixels, grid: Grid | None = None
    ) -> Float[np.ndarray, "h w p"]:
        """The vectors of the patches of an image, of unit length.

        Args:
          image: RGB of any size; it is resized, the aspect ratio is not kept.
          grid: patches along a side, or (rows, columns); None: `grid`.
        """
        module = self.image.module
        rows, columns = grid_shape(grid or self.grid)
        side = module.spec.patch
        pixels = resize(image, (rows * side, columns * side))[None]
        found = _project(
            module, self.text.module, self.image.params, self.text.params, pixels
        )
        return at_unit_length(np.asarray(found)[0])

    def _ids(self, text: str) -> Int[np.ndarray, " length"]:
        spec = self.text.module.spec.text
        if self.text.tokenizer is None:
            return _byte_ids(text, spec)
        return prompt_ids(text, spec=spec, folder=self.text.tokenizer)


def load_clip(
    model: str,
    *,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    dtype: str = AUTO,
) -> Clip:
    """Loads both sides of a CLIP; the first time, fetches and converts their weights.

    Args:
      model: one of `variants.labels_models`.
      checkpoint_dir: folder of converted weights, as for `load_backbone`.
      dtype: of products, likewise.

    Raises:
      ValueError: there is no such model, or no such dtype.
      WeightsError: the weights could not be had.
    """
    text = text_side_of(model).name
    where: dict[str, Any] = {"checkpoint_dir": checkpoint_dir, "dtype": dtype}
    # The smaller side first: what it lacks, such as a tokenizer, is said at once.
    try:
        read = load_backbone(text, **where)
    except WeightsError as error:
        directory = checkpoint_directory(checkpoint_dir)
        if is_cached(text, directory) or is_cached(model, directory):
            raise
        raise WeightsError(
            f"{error} The image encoder is needed as well, of the same file: "
            f"`uhseg-convert --model={model} --file=PATH`."
        ) from error
    return Clip(load_backbone(model, **where), read)


def _byte_ids(text: str, spec: TextEncoderSpec) -> Int[np.ndarray, " length"]:
    """The tokens of a text for random weights, which came without a vocabulary."""
    words = [word.encode() for word in text.lower().split()]
    letters = [x for word in words for x in (*word[:-1], 256 + word[-1])]
    ids = [spec.start, *letters[: spec.length - 2], spec.end]
    return np.array(ids + [spec.padding] * (spec.length - len(ids)), np.int32)


def _without_padding(
    ids: Int[np.ndarray, "b length"], spec: TextEncoderSpec
) -> Int[np.ndarray, "b short"]:
    """Tokens up to the last end of a text, and a few more, so that lengths are few.

    A token sees only those before it, so what follows the end counts for nothing.
    """
    longest = int((ids == spec.end).argmax(axis=1).max()) + 1
    return ids[:, : -(-longest // _LENGTHS) * _LENGTHS]


@functools.partial(jax.jit, static_argnames="module")
def _read(
    module: TextSide, params: Any, ids: Int[Array, "b length"]
) -> Float[Array, "b p"]:
    length = ids.shape[1]
    text = dataclasses.replace(module.spec.text, length=length)
    module = TextSide(dataclasses.replace(module.spec, text=text), module.dtype)
    flat = flax.traverse_util.flatten_dict(params)
    flat[POSITIONS] = flat[POSITIONS][:length]
    params = flax.traverse_util.unflatten_dict(flat)
    read: Any = module.apply({"params": params}, ids, method="read")
    return read


@functools.partial(jax.jit, static_argnames=("image", "text"))
def _project(
    image: ViT,
    text: TextSide,
    image_params: Any,
    text_params: Any,
    pixels: UInt8[Array, "b H W 3"],
) -> Float[Array, "b h w p"]:
    spec = image.spec
    (value,) = compute_features(
        image, image_params, pixels, requests=(FeatureRequest("value"),)
    )
    attention = image_params[block_name(spec.depth - 1)]["attention"]
    output = dense(spec.width, "output", dtype=image.dtype)
    found = output.apply({"params": attention["output"]}, value)
    norm = layer_norm(spec.norm_epsilon, "norm")
    normed = norm.apply({"params": image_params["norm"]}, found)
    projected: Any = text.apply({"params": text_params}, normed, method="project")
    return projected
