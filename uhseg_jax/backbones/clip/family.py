"""The text sides of CLIP as a family of models: kept and loaded as backbones are."""

from collections.abc import Mapping
from typing import Any

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.clip import model
from uhseg_jax.backbones.clip.model import TextSide
from uhseg_jax.backbones.clip.names import TEXT_SIDE_NAMING
from uhseg_jax.backbones.clip.spec import TextSideSpec
from uhseg_jax.backbones.requests import Request
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.types import Array, UInt8

__all__ = ["TextSides"]

_NO_IMAGES = (
    "expected a backbone, as clip_vitb16, but this is the text side of a CLIP, which "
    "reads labels and sees no image."
)


class TextSides:
    """See `backbone.Family`."""

    naming = TEXT_SIDE_NAMING
    has_convolutions = False
    is_batched = True

    def module(
        self, spec: TextSideSpec, *, dtype: Any, attention: AttentionRule
    ) -> TextSide:
        """The Flax module."""
        del attention  # texts are short
        return TextSide(spec, dtype=dtype)

    def abstract_params(self, spec: TextSideSpec) -> dict[str, Any]:
        """Shapes and dtypes of the parameters."""
        return model.abstract_params(spec)

    def fitted(
        self, spec: TextSideSpec, shapes: Mapping[str, tuple[int, ...]]
    ) -> TextSideSpec:
        """The architecture as it is."""
        del shapes
        return spec

    def random_params(self, spec: TextSideSpec) -> Any:
        """Weights of the test variants."""
        return model.random_params(spec)

    def resolve(self, spec: TextSideSpec, request: Request) -> Request:
        """Raises ValueError: there is nothing that it answers of an image."""
        raise ValueError(_NO_IMAGES)

    def image_size(self, spec: TextSideSpec, request: Request) -> tuple[int, int]:
        """Raises ValueError."""
        raise ValueError(_NO_IMAGES)

    def require_inputs(self, backbone: Backbone, request: Request) -> None:
        """Raises ValueError."""
        raise ValueError(_NO_IMAGES)

    def inputs(self, backbone: Backbone, request: Request) -> Any:
        """Raises ValueError."""
        raise ValueError(_NO_IMAGES)

    def answer(
        self,
        module: TextSide,
        inputs: Any,
        image: UInt8[Array, "H W 3"],
        request: Request,
    ) -> Any:
        """Raises ValueError."""
        raise ValueError(_NO_IMAGES)
