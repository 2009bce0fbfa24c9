"""What a Vision Transformer is: the fields that tell one from another."""

import dataclasses
from typing import Annotated, Literal, get_args

from uhseg_jax.backbones.variant import Spec
from uhseg_jax.backbones.vit.positions import POSITION_RULES, PositionRule
from uhseg_jax.backbones.vit.rotary import ROTARY_RULES, RotaryRule
from uhseg_jax.validators import POSITIVE, Validated, Validator, integer, one_of

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MLP_RULES",
    "MlpRule",
    "ViTSpec",
    "check_image_size",
]

# Statistics of RGB in [0, 1] that pixels are normalised with: ImageNet's, and those of
# the images that CLIP was trained on.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

MlpRule = Literal["gelu", "quick_gelu", "swiglu"]
MLP_RULES: tuple[str, ...] = get_args(MlpRule)
"""Kinds of a block's MLP."""

_POSITIVES = Validator(
    "three finite numbers above 0", lambda values: tuple(map(POSITIVE.convert, values))
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViTSpec(Validated):
    """What distinguishes one Vision Transformer from another.

    Attributes:
      patch: side of a patch in pixels.
      width: channels of a token.
      depth: number of blocks.
      heads: attention heads; they share ``width`` evenly.
      mlp: what the MLP of a block computes. ``"gelu"``: two layers around the exact
        (erf) GELU; ``"quick_gelu"``: around CLIP's x sigmoid(1.702 x); ``"swiglu"``:
        SiLU of one projection gates another (Shazeer 2020).
      mlp_ratio: hidden channels of the MLP over ``width``; see `mlp_hidden`.
      native_grid: side, in patches, of the grid that positions were trained on.
      registers: number of register tokens.
      positions: how a learned position embedding is resampled for another grid
        (`vit.positions`), or how queries and keys are rotated where there is none
        (`vit.rotary`).
      key_bias: whether the projection to keys has a bias.
      patch_bias: whether the embedding of patches has a bias.
      embedding_norm: whether a LayerNorm stands between the embeddings and the first
        block (CLIP).
      layer_scale: whether a learned factor per channel scales the residual branches.
      norm_epsilon: added to the variance in every LayerNorm.
      mean: per-channel mean of the RGB pixels in [0, 1] that the model expects.
      std: per-channel standard deviation, likewise.

    Raises:
      ValueError: a field is out of range, or two do not go together.
    """

    patch: Annotated[int, integer(1)] = 14
    width: Annotated[int, integer(1)] = 384
    depth: Annotated[int, integer(1)] = 12
    heads: Annotated[int, integer(1)] = 6
    mlp: Annotated[MlpRule, one_of(*MLP_RULES)] = "gelu"
    mlp_ratio: Annotated[int, integer(1)] = 4
    native_grid: Annotated[int, integer(1)] = 37
    registers: Annotated[int, integer(0)] = 0
    positions: Annotated[
        PositionRule | RotaryRule, one_of(*POSITION_RULES, *ROTARY_RULES)
    ] = "offset"
    key_bias: bool = True
    patch_bias: bool = True
    embedding_norm: bool = False
    layer_scale: bool = True
    norm_epsilon: Annotated[float, POSITIVE] = 1e-6
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: Annotated[tuple[float, float, float], _POSITIVES] = IMAGENET_STD

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not share width {self.width}.")
        if self.rotary and self.head_width % 4:
            raise ValueError(
                "Rotary positions need heads of a multiple of 4 channels, found "
                f"{self.head_width}."
            )

    @property
    def rotary(self) -> RotaryRule | None:
        """How queries and keys are rotated; None where positions are learned."""
        match self.positions:
            case "rotary" | "rotary_bfloat16" as rule:
                return rule
        return None

    @property
    def resampling(self) -> PositionRule | None:
        """How learned positions are resampled; None where there are none."""
        match self.positions:
            case "offset" | "size" | "size_antialias" as rule:
                return rule
        return None

    @property
    def head_width(self) -> int:
        """Channels of one head."""
        return self.width // self.heads

    @property
    def num_prefix_tokens(self) -> int:
        """Tokens before the patches: the class token, then the registers.

        Patches follow row by row, so of the n tokens of an attention matrix those from
        this index on are the patches of the grid, flattened.
        """
        return 1 + self.registers

    @property
    def mlp_hidden(self) -> int:
        """Hidden channels of the MLP.

        SwiGLU has a third matrix, so it gets two thirds of the channels, rounded up to
        a multiple of 8: as many parameters as the plain MLP of that ratio.
        """
        hidden = self.mlp_ratio * self.width
        return -(-(hidden * 2 // 3) // 8) * 8 if self.mlp == "swiglu" else hidden


def check_image_size(spec: Spec, height: int, width: int) -> None:
    """Refuses an image that the patch does not tile.

    Raises:
      ValueError: the patch does not divide a side; the nearest sizes are named.
    """
    if height > 0 and width > 0 and height % spec.patch == width % spec.patch == 0:
        return

    def nearest(side: int) -> str:
        below = side // spec.patch * spec.patch
        fits = {max(below, spec.patch)}
        if side > below:
            fits.add(below + spec.patch)
        return " or ".join(str(size) for size in sorted(fits))

    raise ValueError(
        f"The model cuts an image into patches of {spec.patch} x {spec.patch} pixels, "
        f"which do not tile {height} x {width} (height x width). The nearest sizes "
        f"that fit are {nearest(height)} rows by {nearest(width)} columns."
    )
