"""What a method can want of a backbone, as frozen requests.

A method's config holds one of them. Sizes are in patches of the backbone's grid, so a
request means the same for every backbone, whatever its patch; `Backbone.answer` gives
the answer.
"""

import dataclasses
from typing import Annotated, NamedTuple

from uhseg_jax.types import Array, Float
from uhseg_jax.validators import (
    INTEGERS,
    SEED,
    SIDES,
    TEXT,
    Validated,
    integer,
    one_of,
    optional,
)

__all__ = [
    "ATTENTION_SOURCES",
    "PATCH_FACETS",
    "AttentionRequest",
    "ClassTokenFeatures",
    "ClassTokenRequest",
    "Grid",
    "PatchRequest",
    "Request",
    "grid_shape",
]

PATCH_FACETS = ("token", "query", "key", "value")
"""What a `PatchRequest` may ask of every patch."""

ATTENTION_SOURCES = ("inversion", "single")
"""Passes of a diffusion model whose attention can be had."""

Grid = int | tuple[int, int]
_FLAG = one_of(True, False)
_NORMED = one_of(None, True, False)
_BLOCK = integer(-1000, 1000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchRequest(Validated):
    """Features of patches, answered by an array ``[h, w, d]``.

    Attributes:
      grid: patches along a side of the resized image, or (rows, columns); the aspect
        ratio is not kept.
      facet: "token", "query", "key" or "value".
      blocks: of the backbone, negative from the end. The features of several are
        normalised and put side by side.
      normed: tokens through the final norm; None: for the last block only.
    """

    grid: Annotated[Grid, SIDES] = 60
    facet: Annotated[str, one_of(*PATCH_FACETS)] = "token"
    blocks: Annotated[tuple[int, ...], INTEGERS] = (-1,)
    normed: Annotated[bool | None, _NORMED] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionRequest(Validated):
    """Self-attention between patches, answered by an array ``[h, w, h * w]``.

    Each row sums to one. That of a Vision Transformer is the mean over the heads of
    some blocks; that of a diffusion model the mean over heads, layers and steps while
    it processes the image, in one of three ways. Ivanova et al., "Unsupervised
    Segmentation by Diffusing, Walking and Cutting" (2024): the latents are inverted
    step by step towards noise, and attention is that of the way back. Tian et al.,
    "Diffuse, Attend, and Segment" (2024): that of one forward of the latents. Couairon
    et al., "DiffCut" (2024): that of one forward of noised latents.

    Attributes:
      grid: patches along a side of the resized image, or (rows, columns). None: 37 for
        a Vision Transformer, and for a diffusion model the size it was trained on.
      blocks: of a Vision Transformer, negative from the end.
      source: of a diffusion model: "inversion" (DDIM inversion and back), or "single"
        (one forward).
      num_steps: steps of "inversion", and of the way back; 10 in the paper, as others
        report.
      schedule_steps: into which the noise schedule is divided, of which ``num_steps``
        are taken; 50 in the paper, as others report.
      timestep: of "single" (DiffSeg: 300, DiffCut: 50).
      noise: whether "single" adds the noise of its timestep (DiffCut) or not (DiffSeg).
      seed: of the noise; it is the same for every image.
      prompt: text that a diffusion model is given.
    """

    grid: Annotated[Grid | None, optional(SIDES)] = None
    blocks: Annotated[tuple[int, ...], INTEGERS] = (-2, -1)
    source: Annotated[str, one_of(*ATTENTION_SOURCES)] = "inversion"
    num_steps: Annotated[int, integer(1)] = 10
    schedule_steps: Annotated[int, integer(1)] = 50
    timestep: Annotated[int, integer(0)] = 300
    noise: Annotated[bool, _FLAG] = False
    seed: Annotated[int, SEED] = 0
    prompt: Annotated[str, TEXT] = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a field out of its range."""
        super().__post_init__()
        if self.num_steps > self.schedule_steps:
            raise ValueError(
                "num_steps must be at most schedule_steps, the steps of the whole "
                f"schedule, but is {self.num_steps} of {self.schedule_steps}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassTokenRequest(Validated):
    """Features of patches and the class token, answered by `ClassTokenFeatures`.

    Attributes:
      grid: patches along a side of the resized image, or (rows, columns); the aspect
        ratio is not kept.
      facet: of the patches: "token", "query", "key" or "value".
      block: that gives it, negative from the end.
      normed: tokens through the final norm; None: for the last block only.
      attention_block: whose class attention is given.
      class_block: whose class token is given.
      class_normed: class token through the final norm; None: for the last block only.
    """

    grid: Annotated[Grid, SIDES] = 60
    facet: Annotated[str, one_of(*PATCH_FACETS)] = "key"
    block: Annotated[int, _BLOCK] = -1
    normed: Annotated[bool | None, _NORMED] = None
    attention_block: Annotated[int, _BLOCK] = -1
    class_block: Annotated[int, _BLOCK] = -1
    class_normed: Annotated[bool | None, _NORMED] = None


Request = PatchRequest | AttentionRequest | ClassTokenRequest
"""What may be asked of a backbone."""


class ClassTokenFeatures(NamedTuple):
    """The answer to a `ClassTokenRequest`, float32.

    Attributes:
      patches: ``[h, w, d]``.
      attention: ``[h, w]``, of the class token to the patches, mean over the heads.
      class_token: ``[e]``.
    """

    patches: Float[Array, "h w d"]
    attention: Float[Array, "h w"]
    class_token: Float[Array, " e"]


def grid_shape(grid: Grid) -> tuple[int, int]:
    """(rows, columns) of a side or a pair."""
    return (grid, grid) if isinstance(grid, int) else grid
