"""What a latent diffusion model is: the fields that tell one from another.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022).
"""

import dataclasses
from typing import Any, Literal, get_args

PredictionRule = Literal["epsilon", "v"]
PREDICTION_RULES: tuple[str, ...] = get_args(PredictionRule)
TextMlpRule = Literal["quick_gelu", "gelu"]
TEXT_MLP_RULES: tuple[str, ...] = get_args(TextMlpRule)

# SDXL is told the size of the image, where it was cropped and the size wanted: pairs
# of rows and columns.
NUM_SIZES = 6


def _leaves(value: Any) -> list[int]:
    """The integers of a field: one, a tuple, or tuples of tuples."""
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]


def _too_small(spec: Any, **least: int) -> list[str]:
    """What is wrong where the integers of a field have a least value."""
    return [
        f"{name} must be at least {bound}, found {getattr(spec, name)}"
        for name, bound in least.items()
        if any(leaf < bound for leaf in _leaves(getattr(spec, name)))
    ]


def _not_positive(**values: float) -> list[str]:
    """What is wrong where numbers must be positive."""
    return [
        f"{name} must be positive, found {value}"
        for name, value in values.items()
        if not value > 0
    ]


def _unshared(widths: tuple[int, ...], name: str, parts: tuple[int, ...]) -> list[str]:
    """What is wrong where groups or heads share channels evenly."""
    return [
        f"{part} {name} do not share {width} channels"
        for width, part in zip(widths, parts, strict=True)
        if width % part
    ]


def _refuse(what: str, problems: list[str]) -> None:
    """Raises one error of all problems."""
    if problems:
        raise ValueError(f"Not {what}: {'; '.join(problems)}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class UNetSpec:
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
      ValueError: a field is out of range, or two do not go together; all cases in one
        message.
    """

    latent_channels: int = 4
    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    heads: tuple[int, ...] = (8, 8, 8, 8)
    down_depths: tuple[tuple[int, ...], ...] = ((1, 1), (1, 1), (1, 1), (0, 0))
    middle_depth: int | None = 1
    up_depths: tuple[tuple[int, ...], ...] = (
        (0, 0, 0),
        (1, 1, 1),
        (1, 1, 1),
        (1, 1, 1),
    )
    context_width: int = 768
    linear_projection: bool = False
    groups: int = 32
    norm_epsilon: float = 1e-5
    added_width: int | None = None
    size_width: int = 256

    def __post_init__(self) -> None:
        levels = len(self.channels)
        problems = _too_small(
            self,
            latent_channels=1,
            context_width=1,
            groups=1,
            size_width=2,
            channels=1,
            heads=1,
            down_depths=0,
            up_depths=0,
        )
        problems += [
            f"{name} must have an entry for each of {levels} levels, found {count}"
            for name in ("heads", "down_depths", "up_depths")
            if (count := len(getattr(self, name))) != levels
        ]
        if not levels:
            problems.append("channels must have at least one level")
        if not problems:
            problems += _unshared(self.channels, "groups", (self.groups,) * levels)
            problems += _unshared(self.channels, "heads", self.heads)
            problems += [
                f"up_depths[{levels - 1 - level}] must have one entry more than "
                f"down_depths[{level}] ({len(down) + 1}), found {len(up)}"
                for level, (down, up) in enumerate(
                    zip(self.down_depths, reversed(self.up_depths), strict=True)
                )
                if len(up) != len(down) + 1
            ]
        if self.channels and self.channels[0] % 2:
            problems.append(
                f"channels[0] must be even for sines and cosines, found "
                f"{self.channels[0]}"
            )
        if self.size_width % 2:
            problems.append(
                f"size_width must be even for sines and cosines, found "
                f"{self.size_width}"
            )
        if self.middle_depth is not None and self.middle_depth < 1:
            problems.append(
                f"middle_depth must be at least 1, or None, found {self.middle_depth}"
            )
        if self.added_width is not None and self.pooled_width < 1:
            problems.append(
                f"added_width must be more than the {NUM_SIZES * self.size_width} "
                f"channels of the sizes, found {self.added_width}"
            )
        problems += _not_positive(norm_epsilon=self.norm_epsilon)
        _refuse("a denoising U-Net", problems)

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
class AutoencoderSpec:
    """The encoder of the variational autoencoder; nothing here decodes.

    Attributes:
      channels: of every level, the finest first; each next one has half the side.
      layers: residual blocks of a level.
      latent_channels: channels of the latent.
      groups: of every GroupNorm.
      norm_epsilon: added to the variance in every norm.
      scaling: by which latents are multiplied for the U-Net.

    Raises:
      ValueError: a field is out of range, or two do not go together; all cases in one
        message.
    """

    channels: tuple[int, ...] = (128, 256, 512, 512)
    layers: int = 2
    latent_channels: int = 4
    groups: int = 32
    norm_epsilon: float = 1e-6
    scaling: float = 0.18215

    def __post_init__(self) -> None:
        problems = _too_small(
            self, latent_channels=1, layers=1, groups=1, channels=1
        ) + _not_positive(norm_epsilon=self.norm_epsilon, scaling=self.scaling)
        if not self.channels:
            problems.append("channels must have at least one level")
        if not problems:
            groups = (self.groups,) * len(self.channels)
            problems += _unshared(self.channels, "groups", groups)
        _refuse("an autoencoder", problems)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextEncoderSpec:
    """The text encoder of CLIP.

    Attributes:
      vocabulary: number of tokens that there are.
      width: channels of a token.
      depth: number of blocks.
      heads: attention heads.
      length: tokens of a prompt, shorter ones padded.
      mlp: activation; ``"quick_gelu"`` is x sigmoid(1.702 x).
      norm_epsilon: added to the variance in every norm.
      start: id of the token that begins a prompt.
      end: id of the token that ends it.
      padding: id of the token that fills the rest.
      skipped: last blocks that are left out together with the final norm (SDXL takes
        the tokens before the last block as they are); 0: none, with the final norm.
      projection: channels of the pooled, projected end token; None where there is none.

    Raises:
      ValueError: a field is out of range, or two do not go together; all cases in one
        message.
    """

    vocabulary: int = 49408
    width: int = 768
    depth: int = 12
    heads: int = 12
    length: int = 77
    mlp: TextMlpRule = "quick_gelu"
    norm_epsilon: float = 1e-5
    start: int = 49406
    end: int = 49407
    padding: int = 49407
    skipped: int = 0
    projection: int | None = None

    def __post_init__(self) -> None:
        problems = _too_small(
            self, vocabulary=1, width=1, depth=1, heads=1, length=2, skipped=0
        ) + _not_positive(norm_epsilon=self.norm_epsilon)
        if not problems:
            problems += _unshared((self.width,), "heads", (self.heads,))
        if self.skipped >= self.depth:
            problems.append(
                f"skipped must leave one of {self.depth} blocks, found {self.skipped}"
            )
        if self.mlp not in TEXT_MLP_RULES:
            problems.append(
                f"mlp must be one of {', '.join(TEXT_MLP_RULES)}, found {self.mlp!r}"
            )
        problems += [
            f"{name} must be the id of one of {self.vocabulary} tokens, found {token}"
            for name in ("start", "end", "padding")
            if not 0 <= (token := getattr(self, name)) < self.vocabulary
        ]
        if self.projection is not None and self.projection < 1:
            problems.append(f"projection must be at least 1, found {self.projection}")
        _refuse("a text encoder", problems)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """How noise was added in training.

    Attributes:
      num_timesteps: of training.
      beta_start: variance added at the first, on the scale of square roots.
      beta_end: at the last; the square roots between are evenly spaced
        ("scaled_linear").
      prediction: what the U-Net predicts: the noise, or the velocity of Salimans & Ho
        (2022).
      offset: added to the evenly spaced timesteps of inference.

    Raises:
      ValueError: a field is out of range, or two do not go together; all cases in one
        message.
    """

    num_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    prediction: PredictionRule = "epsilon"
    offset: int = 1

    def __post_init__(self) -> None:
        problems = _too_small(self, num_timesteps=1, offset=0)
        if not 0 < self.beta_start <= self.beta_end < 1:
            problems.append(
                "beta_start and beta_end must rise between 0 and 1, found "
                f"{self.beta_start} and {self.beta_end}"
            )
        if self.prediction not in PREDICTION_RULES:
            problems.append(
                f"prediction must be one of {', '.join(PREDICTION_RULES)}, found "
                f"{self.prediction!r}"
            )
        _refuse("a schedule of noise", problems)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffusionSpec:
    """A latent diffusion model whose attention is looked at.

    Attributes:
      unet: the U-Net.
      autoencoder: what makes latents of images.
      text_encoders: one; SDXL's models have two, whose tokens stand side by side.
      schedule: of the noise.
      image_size: side in pixels that the model was trained on.

    Raises:
      ValueError: the parts do not fit together; all cases in one message.
    """

    unet: UNetSpec = UNetSpec()
    autoencoder: AutoencoderSpec = AutoencoderSpec()
    text_encoders: tuple[TextEncoderSpec, ...] = (TextEncoderSpec(),)
    schedule: ScheduleSpec = ScheduleSpec()
    image_size: int = 512

    def __post_init__(self) -> None:
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
        if self.image_size < 1 or self.image_size % self.multiple:
            problems.append(
                f"image_size must be a multiple of {self.multiple}, found "
                f"{self.image_size}"
            )
        _refuse("a latent diffusion model", problems)

    @property
    def patch(self) -> int:
        """Pixels along the side of one cell of the latent."""
        return int(2 ** (len(self.autoencoder.channels) - 1))

    @property
    def multiple(self) -> int:
        """What a side in pixels must be divisible by, so that every level halves."""
        return self.patch * self.unet.multiple
