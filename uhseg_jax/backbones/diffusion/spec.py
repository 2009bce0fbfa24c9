"""What a latent diffusion model is: the fields that tell one from another.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022).
"""

import dataclasses
from typing import Annotated, Literal, get_args

from uhseg_jax.backbones.spec_checks import COUNT, refuse, unshared
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.validators import (
    POSITIVE,
    Validated,
    Validator,
    integer,
    one_of,
    optional,
)

__all__ = [
    "NUM_SIZES",
    "PREDICTION_RULES",
    "AutoencoderSpec",
    "DiffusionSpec",
    "PredictionRule",
    "ScheduleSpec",
    "UNetSpec",
]

PredictionRule = Literal["epsilon", "v"]
PREDICTION_RULES: tuple[str, ...] = get_args(PredictionRule)

# SDXL is told the size of the image, where it was cropped and the size wanted: pairs
# of rows and columns.
NUM_SIZES = 6


def _levels(values: tuple[int, ...]) -> tuple[int, ...]:
    if not values:
        raise ValueError
    return tuple(map(COUNT.convert, values))


_LEVELS = Validator("one or more integers of at least 1", _levels)
_DEPTHS = Validator(
    "a tuple of integers of at least 0 for every level",
    lambda levels: tuple(tuple(map(integer(0).convert, level)) for level in levels),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UNetSpec(Validated):
    """The denoising U-Net.

    Attributes:
      latent_channels: channels of the latent, in and out.
      channels: of every level, the finest first; each next one has half the side.
      heads: attention heads of every level.
      down_depths: for every level, the transformer blocks after each residual block on
        the way down; 0 for none.
      middle_depth: transformer blocks between the two residual blocks at the bottom;
        None where a single residual block is all that stands there (SSD-1B).
      up_depths: as ``down_depths`` on the way up, the coarsest level first; one
        residual block more than on the way down.
      context_width: channels of the text tokens.
      linear_projection: whether the projections around transformer blocks are linear
        layers; else they are 1 x 1 convolutions.
      groups: of every GroupNorm.
      norm_epsilon: added to the variance in the norms of residual blocks.
      added_width: channels of the pooled text and sizes that are added to the time
        embedding (SDXL); None where nothing is added.
      size_width: channels that each of the six sizes has among them.

    Raises:
      ValueError: a field is out of range, or several do not go together.
    """

    latent_channels: Annotated[int, COUNT] = 4
    channels: Annotated[tuple[int, ...], _LEVELS] = (320, 640, 1280, 1280)
    heads: Annotated[tuple[int, ...], _LEVELS] = (8, 8, 8, 8)
    down_depths: Annotated[tuple[tuple[int, ...], ...], _DEPTHS] = (
        (1, 1),
        (1, 1),
        (1, 1),
        (0, 0),
    )
    middle_depth: Annotated[int | None, optional(COUNT)] = 1
    up_depths: Annotated[tuple[tuple[int, ...], ...], _DEPTHS] = (
        (0, 0, 0),
        (1, 1, 1),
        (1, 1, 1),
        (1, 1, 1),
    )
    context_width: Annotated[int, COUNT] = 768
    linear_projection: bool = False
    groups: Annotated[int, COUNT] = 32
    norm_epsilon: Annotated[float, POSITIVE] = 1e-5
    added_width: int | None = None
    size_width: Annotated[int, integer(2)] = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        levels = len(self.channels)
        problems: list[str] = []
        problems += [
            f"{name} must have an entry for each of {levels} levels, found {count}"
            for name in ("heads", "down_depths", "up_depths")
            if (count := len(getattr(self, name))) != levels
        ]
        if not problems:
            problems += unshared(self.channels, "groups", (self.groups,) * levels)
            problems += unshared(self.channels, "heads", self.heads)
            problems += [
                f"up_depths[{levels - 1 - level}] must have one entry more than "
                f"down_depths[{level}] ({len(down) + 1}), found {len(up)}"
                for level, (down, up) in enumerate(
                    zip(self.down_depths, reversed(self.up_depths), strict=True)
                )
                if len(up) != len(down) + 1
            ]
        if self.channels[0] % 2:
            problems.append(
                f"channels[0] must be even for sines and cosines, found "
                f"{self.channels[0]}"
            )
        if self.size_width % 2:
            problems.append(
                f"size_width must be even for sines and cosines, found "
                f"{self.size_width}"
            )
        if self.added_width is not None and self.pooled_width < 1:
            problems.append(
                f"added_width must be more than the {NUM_SIZES * self.size_width} "
                f"channels of the sizes, found {self.added_width}"
            )
        refuse("a denoising U-Net", problems)

    @property
    def multiple(self) -> int:
        """What a side in cells must be divisible by, so that every level halves."""
        return int(2 ** (len(self.channels) - 1))

    @property
    def pooled_width(self) -> int:
        """Channels of the pooled text; 0 where nothing is added to the time."""
        if self.added_width is None:
            return 0
        return self.added_width - NUM_SIZES * self.size_width


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoencoderSpec(Validated):
    """The encoder of the variational autoencoder; nothing here decodes.

    Attributes:
      channels: of every level, the finest first; each next one has half the side.
      layers: residual blocks of a level.
      latent_channels: channels of the latent.
      groups: of every GroupNorm.
      norm_epsilon: added to the variance in every norm.
      scaling: by which latents are multiplied for the U-Net.

    Raises:
      ValueError: a field is out of range, or several do not go together.
    """

    channels: Annotated[tuple[int, ...], _LEVELS] = (128, 256, 512, 512)
    layers: Annotated[int, COUNT] = 2
    latent_channels: Annotated[int, COUNT] = 4
    groups: Annotated[int, COUNT] = 32
    norm_epsilon: Annotated[float, POSITIVE] = 1e-6
    scaling: Annotated[float, POSITIVE] = 0.18215

    def __post_init__(self) -> None:
        super().__post_init__()
        groups = (self.groups,) * len(self.channels)
        refuse("an autoencoder", unshared(self.channels, "groups", groups))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleSpec(Validated):
    """How noise was added in training.

    Attributes:
      num_timesteps: how many timesteps training had.
      beta_start: variance added at the first, on the scale of square roots.
      beta_end: at the last; the square roots between are evenly spaced
        ("scaled_linear").
      prediction: what the U-Net predicts: the noise, or the velocity of Salimans & Ho
        (2022).
      offset: added to the evenly spaced timesteps of inference.

    Raises:
      ValueError: a field is out of range, or several do not go together.
    """

    num_timesteps: Annotated[int, COUNT] = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    prediction: Annotated[PredictionRule, one_of(*PREDICTION_RULES)] = "epsilon"
    offset: Annotated[int, integer(0)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise ValueError(
                "beta_start and beta_end must rise between 0 and 1, found "
                f"{self.beta_start} and {self.beta_end}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffusionSpec(Validated):
    """A latent diffusion model.

    Attributes:
      unet: the U-Net.
      autoencoder: what makes latents of images.
      text_encoders: one; SDXL's models have two, whose tokens stand side by side.
      schedule: how noise was added in training.
      image_size: side in pixels that the model was trained on.

    Raises:
      ValueError: the parts do not fit together; all cases in one message.
    """

    unet: UNetSpec = UNetSpec()
    autoencoder: AutoencoderSpec = AutoencoderSpec()
    text_encoders: tuple[TextEncoderSpec, ...] = (TextEncoderSpec(),)
    schedule: ScheduleSpec = ScheduleSpec()
    image_size: Annotated[int, COUNT] = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        unet = self.unet
        problems = []
        if unet.latent_channels != self.autoencoder.latent_channels:
            problems.append(
                f"the U-Net takes latents of {unet.latent_channels} channels and the "
                f"autoencoder makes {self.autoencoder.latent_channels}"
            )
        width = sum(encoder.width for encoder in self.text_encoders)
        if width != unet.context_width:
            problems.append(
                f"the U-Net takes text of {unet.context_width} channels and the text "
                f"encoders make {width}"
            )
        pooled = sum(encoder.projection or 0 for encoder in self.text_encoders)
        if unet.added_width is not None and pooled != unet.pooled_width:
            problems.append(
                f"the U-Net takes a pooled text of {unet.pooled_width} channels and "
                f"the text encoders make {pooled}"
            )
        if len({encoder.length for encoder in self.text_encoders}) > 1:
            problems.append("the text encoders have prompts of different lengths")
        if self.image_size % self.multiple:
            problems.append(
                f"image_size must be a multiple of {self.multiple}, found "
                f"{self.image_size}"
            )
        refuse("a latent diffusion model", problems)

    @property
    def width(self) -> None:
        """A diffusion model gives attention, not features."""
        return None

    @property
    def patch(self) -> int:
        """Pixels along the side of one cell of the latent."""
        return int(2 ** (len(self.autoencoder.channels) - 1))

    @property
    def multiple(self) -> int:
        """What a side in pixels must be divisible by, so that every level halves."""
        return self.patch * self.unet.multiple
