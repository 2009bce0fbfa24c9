"""Latent diffusion models as a family of backbones: how they answer requests."""

from collections.abc import Mapping
from typing import Any

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.diffusion import model
from uhseg_jax.backbones.diffusion.model import Diffusion, check_image_sides
from uhseg_jax.backbones.diffusion.names import DIFFUSION_NAMING
from uhseg_jax.backbones.diffusion.prompts import prompt_ids, read_prompt
from uhseg_jax.backbones.diffusion.self_attention import (
    check_request,
    compute_self_attention,
)
from uhseg_jax.backbones.diffusion.spec import DiffusionSpec
from uhseg_jax.backbones.requests import AttentionRequest, Request, grid_shape
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.spectral import aggregation
from uhseg_jax.types import Array, Float, UInt8

__all__ = ["DiffusionModels"]


class DiffusionModels:
    """See `backbone.Family`."""

    naming = DIFFUSION_NAMING
    has_convolutions = True
    is_batched = False

    def module(
        self, spec: DiffusionSpec, *, dtype: Any, attention: AttentionRule
    ) -> Diffusion:
        """The Flax module."""
        return Diffusion(spec, dtype=dtype, attention=attention)

    def abstract_params(self, spec: DiffusionSpec) -> dict[str, Any]:
        """Shapes and dtypes of the parameters."""
        return model.abstract_params(spec)

    def fitted(
        self, spec: DiffusionSpec, shapes: Mapping[str, tuple[int, ...]]
    ) -> DiffusionSpec:
        """The architecture as it is."""
        del shapes
        return spec

    def random_params(self, spec: DiffusionSpec) -> Any:
        """Weights of the test variants."""
        return model.random_params(spec)

    def resolve(self, spec: DiffusionSpec, request: Request) -> Request:
        """The request with its size definite; equal ones come out equal.

        The prompt is read by `inputs`, so it is no part of what is compiled.
        """
        if not isinstance(request, AttentionRequest):
            raise ValueError(
                f"expected a Vision Transformer for {request.facet} features; a "
                "diffusion model gives its attention, which the method diffusion_walk "
                "works on."
            )
        check_request(request, spec)
        used = ["source", "num_steps", "schedule_steps"]
        if request.source == "single":
            used = ["source", "timestep", "noise", *(["seed"] * request.noise)]
        resolved = AttentionRequest(
            grid=grid_shape(request.grid or spec.image_size // spec.patch),
            **{name: getattr(request, name) for name in used},
        )
        check_image_sides(spec, *self.image_size(spec, resolved))
        return resolved

    def image_size(self, spec: DiffusionSpec, request: Request) -> tuple[int, int]:
        """(height, width) in pixels for a resolved request."""
        assert request.grid is not None
        rows, columns = grid_shape(request.grid)
        return rows * spec.patch, columns * spec.patch

    def require_inputs(self, backbone: Backbone, request: Request) -> None:
        """Refuses a prompt that cannot be read."""
        prompt_ids(backbone, _prompt_of(request))

    def inputs(self, backbone: Backbone, request: Request) -> Any:
        """The parameters and the prompt as the U-Net takes it."""
        return backbone.params, read_prompt(backbone, _prompt_of(request))

    def answer(
        self,
        module: Diffusion,
        inputs: Any,
        image: UInt8[Array, "H W 3"],
        request: Request,
    ) -> Float[Array, "h w n"]:
        """The attention of one image; pure. All resolutions on the finest grid."""
        assert isinstance(request, AttentionRequest)
        params, prompt = inputs
        maps = compute_self_attention(
            module, params, image[None], prompt, request=request
        )
        attention = aggregation.aggregate({grid: x[0] for grid, x in maps.items()})
        return attention.reshape(*max(maps), -1)


def _prompt_of(request: Request) -> str:
    return request.prompt if isinstance(request, AttentionRequest) else ""
