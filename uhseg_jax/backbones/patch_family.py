"""A base for families of one's own: models with one vector for every patch."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.requests import PatchRequest, Request, grid_shape
from uhseg_jax.backbones.variant import Spec
from uhseg_jax.backbones.vit.attention import AttentionRule, default_attention
from uhseg_jax.backbones.vit.family import side_by_side
from uhseg_jax.backbones.weights.convert import OWN_NAMING, Naming
from uhseg_jax.types import Array, Float, UInt8

__all__ = ["PatchFamily"]

_SIDE = 4  # patches of the image that parameters are made with


class PatchFamily:
    """A family of models whose answer is ``[h, w, d]``; see `backbone.Family`.

    A subclass has `module`, and whatever else is otherwise than here. Its models have
    one output, which stands for every block that a request names.
    """

    naming: Naming = OWN_NAMING
    has_convolutions: bool = False
    is_batched: bool = True

    def module(self, spec: Any, *, dtype: Any, attention: AttentionRule) -> Any:
        """The Flax module without parameters.

        It has attributes ``spec`` and ``dtype``, and maps an image, float32
        ``[H, W, 3]`` from 0 to 1, whose sides are multiples of the patch, to features
        ``[h, w, d]``.
        """
        raise NotImplementedError

    def abstract_params(self, spec: Spec) -> dict[str, Any]:
        """Shapes and dtypes of the parameters."""
        shapes: dict[str, Any] = jax.eval_shape(lambda: self.random_params(spec))
        return shapes

    def fitted(self, spec: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """Weights are as the architecture says."""
        del shapes
        return spec

    def random_params(self, spec: Spec) -> Any:
        """The parameters that the module begins with, the same on every run."""
        module = self.module(spec, dtype=jnp.float32, attention=default_attention())
        image = jnp.zeros((_SIDE * spec.patch, _SIDE * spec.patch, 3), jnp.float32)
        return dict(module.init(jax.random.key(0), image).get("params", {}))

    def resolve(self, spec: Spec, request: Request) -> Request:
        """A request for the only output, on a definite grid.

        Raises:
          ValueError: it is for attention, for class tokens or for another facet.
        """
        if isinstance(request, PatchRequest) and request.facet == "token":
            grid = grid_shape(request.grid)
            blocks = (-1,) * len(request.blocks)
            return dataclasses.replace(request, grid=grid, blocks=blocks, normed=None)
        wanted = type(request).__name__
        if isinstance(request, PatchRequest):
            wanted = f"the facet {request.facet!r}"
        raise ValueError(
            "expected a PatchRequest of the facet 'token', which is all that a model "
            f"of {type(self).__name__} answers, but the method asks for {wanted}; take "
            "another method, facet (--config.request.facet=token) or model."
        )

    def image_size(self, spec: Spec, request: Request) -> tuple[int, int]:
        """(height, width) in pixels for a resolved request."""
        assert isinstance(request, PatchRequest)
        rows, columns = grid_shape(request.grid)
        return rows * spec.patch, columns * spec.patch

    def require_inputs(self, backbone: Backbone, request: Request) -> None:
        """Nothing is missing where the request is resolved."""
        del backbone, request

    def inputs(self, backbone: Backbone, request: Request) -> Any:
        """The parameters."""
        del request
        return backbone.params

    def answer(
        self, module: Any, inputs: Any, image: UInt8[Array, "H W 3"], request: Request
    ) -> Float[Array, "h w d"]:
        """The features of one image; pure.

        Raises:
          ValueError: the module gives features of another grid.
        """
        assert isinstance(request, PatchRequest)
        found = module.apply({"params": inputs}, image.astype(jnp.float32) / 255)
        grid = grid_shape(request.grid)
        if found.ndim != 3 or found.shape[:2] != grid:
            raise ValueError(
                f"expected features [{grid[0]}, {grid[1]}, d] of an image of "
                f"{image.shape[0]} x {image.shape[1]} pixels, but "
                f"{type(module).__name__} gives {[*found.shape]}; is its patch "
                f"{module.spec.patch}?"
            )
        return side_by_side((found.astype(jnp.float32),) * len(request.blocks))

    # One family is as good as another of its class: programs are compiled for both.
    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same class."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """Of the class."""
        return hash(type(self))
