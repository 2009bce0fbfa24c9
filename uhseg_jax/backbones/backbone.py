"""A backbone: a model with its weights, whatever its family, and what it answers."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh

from uhseg_jax import batches
from uhseg_jax.ahead import Arguments, Program
from uhseg_jax.backbones.requests import Request
from uhseg_jax.backbones.variant import Spec
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.backbones.weights.convert import Naming
from uhseg_jax.batches import filled, map_images, num_devices, on_all_devices
from uhseg_jax.entry import entry_point
from uhseg_jax.images import resize
from uhseg_jax.types import Array, Pixels, UInt8

__all__ = ["Backbone", "Extractor", "Family"]


@runtime_checkable
class Family(Protocol):
    """What a family of backbones implements: one class.

    Ours have a line each in `families`; of others a specification has an attribute
    ``family``.

    Attributes:
      naming: how checkpoints of the family name their arrays.
      has_convolutions: whether convolutions take a good part of a forward.
      is_batched: whether images may go through the model together; not where the memory
        is for one at a time.
    """

    naming: Naming
    has_convolutions: bool
    is_batched: bool

    def module(self, spec: Any, *, dtype: Any, attention: AttentionRule) -> Any:
        """The Flax module without parameters.

        Args:
          spec: the architecture.
          dtype: of matrix products and convolutions.
          attention: how attention is evaluated (`vit.attention`).
        """
        ...

    def abstract_params(self, spec: Any) -> dict[str, Any]:
        """The parameter tree as shapes and dtypes, without computing anything."""
        ...

    def fitted(self, spec: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """The architecture of weights that were trained at another size.

        Args:
          spec: the architecture as it was published.
          shapes: of the parameters that there are, by their paths.

        Returns:
          ``spec``, or one that differs in what training may choose.
        """
        ...

    def random_params(self, spec: Any) -> Any:
        """Weights of the test variants: the same on every run."""
        ...

    def resolve(self, spec: Any, request: Request) -> Request:
        """A request with everything definite that the model's program depends on.

        Requests that differ only in how they name a size or a block come out equal.

        Raises:
          ValueError: the model cannot answer it.
        """
        ...

    def image_size(self, spec: Any, request: Request) -> tuple[int, int]:
        """(height, width) in pixels of the images that a resolved request is for."""
        ...

    def require_inputs(self, backbone: "Backbone", request: Request) -> None:
        """Refuses a request for which `inputs` would fail; reads no parameters.

        Raises:
          ValueError: there is a prompt, and the weights came without what reads it.
        """
        ...

    def inputs(self, backbone: "Backbone", request: Request) -> Any:
        """What `answer` works with besides the image: parameters, a prompt.

        Raises:
          ValueError: as `require_inputs` does.
        """
        ...

    def answer(
        self, module: Any, inputs: Any, image: UInt8[Array, "H W 3"], request: Request
    ) -> Any:
        """The answer for one image; pure.

        Args:
          module: the backbone's module; static.
          inputs: what `inputs` gave.
          image: RGB, of the size that `image_size` says.
          request: resolved; static.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A model with its weights, which are read when they are first needed.

    Attributes:
      name: the name of the variant.
      module: the Flax module; holds the spec, the compute dtype and the attention rule.
      read_params: gives ``params``; called once.
      weights_sha256: digest of the parameters (`digests.params_digest`).
      family: the family of the model.
      tokenizer: folder of the files that read prompts, where there are such files.
      code_sha256: digest of the code of a model of one's own; empty for ours.
    """

    name: str
    module: Any
    read_params: Callable[[], Any]
    weights_sha256: str
    family: Family
    tokenizer: Path | None = None
    code_sha256: str = ""

    @functools.cached_property
    def params(self) -> Any:
        """float32 parameters, a nested dict on the default device.

        Raises:
          WeightsError: they cannot be read, or are not those of the digest.
        """
        return self.read_params()

    @property
    def spec(self) -> Spec:
        """The architecture."""
        spec: Spec = self.module.spec
        return spec

    def settings(self) -> dict[str, Any]:
        """What results depend on, JSON-ready."""
        settings = {
            "model": self.name,
            "weights_sha256": self.weights_sha256,
            "dtype": str(self.module.dtype),
        }
        own = {"model_code_sha256": self.code_sha256}
        return settings | own if self.code_sha256 else settings

    def answer(self, image: Pixels, request: Request) -> Any:
        """The answer to a request, for one image.

        Args:
          image: RGB of any size; it is resized as the request says.
          request: a `PatchRequest`, `AttentionRequest` or `ClassTokenRequest`.

        Returns:
          The features, as the request says.

        Raises:
          ValueError: the model cannot answer the request.
        """
        answers = Extractor(self, request, at_once=1)([image])
        return jax.tree.map(lambda x: x[0], answers)


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A backbone bound to a request, for many images.

    Attributes:
      backbone: the model with its weights.
      request: what it answers.
      mesh: devices that share the images of a batch; None for the default device.
      at_once: images that go through the model together, on each device; None:
        `batches.images_at_once`, or 1 for a family that takes one at a time.
    """

    backbone: Backbone
    request: Request
    mesh: Mesh | None = None
    at_once: int | None = None

    @entry_point
    def __call__(self, images: Sequence[Pixels]) -> Any:
        """The answers for several images of any sizes.

        The last image is repeated until `step` divides the batch.
        """
        family = self.backbone.family
        pixels = [resize(image, self.image_size) for image in images]
        return _answers(
            self.inputs,
            np.stack(filled(pixels, self.step)),
            family=family,
            module=self.backbone.module,
            request=self.resolved,
            mesh=self.mesh,
            at_once=self.group,
        )

    def compile_soon(self) -> "Future[Any]":
        """Begins to compile, in a thread, for the smallest batches there are.

        The parameters of the backbone may be shapes alone.

        Returns:
          The shapes of the answers; see `ahead.Program.compile_soon`.
        """
        backbone, request, group = self.backbone, self.resolved, self.group
        size = self.image_size
        # Here and not in the thread: before Python 3.12 one thread at a time makes a
        # cached property, of all objects of a class, and this one may be reading the
        # weights for another.
        inputs = self.inputs

        def arguments() -> Arguments:
            pixels = jax.ShapeDtypeStruct((group, *size, 3), np.uint8)
            return inputs, pixels

        statics = {"family": backbone.family, "module": backbone.module}
        statics |= {"request": request, "mesh": None, "at_once": group}
        key = (backbone.module, request, group)
        return _answers.compile_soon(key, arguments, statics)

    @functools.cached_property
    def group(self) -> int:
        """How many images go through the model together, on each device."""
        if self.at_once is not None:
            return self.at_once
        return batches.images_at_once() if self.backbone.family.is_batched else 1

    @property
    def step(self) -> int:
        """How many images go through the model together, on all devices."""
        return self.group * num_devices(self.mesh)

    @property
    def image_size(self) -> tuple[int, int]:
        """Pixels (height, width) of the images that go through the model."""
        return self.backbone.family.image_size(self.backbone.spec, self.resolved)

    @functools.cached_property
    def resolved(self) -> Request:
        """The request with everything definite."""
        return self.backbone.family.resolve(self.backbone.spec, self.request)

    def require_inputs(self) -> None:
        """Refuses what `inputs` would fail for; see `Family.require_inputs`."""
        self.backbone.family.require_inputs(self.backbone, self.resolved)

    @functools.cached_property
    def inputs(self) -> Any:
        """What every forward works with, on all devices from the first on."""
        inputs = self.backbone.family.inputs(self.backbone, self.request)
        return on_all_devices(inputs, self.mesh)


@Program
@functools.partial(
    jax.jit, static_argnames=("family", "module", "request", "mesh", "at_once")
)
def _answers(
    inputs: Any,
    pixels: UInt8[Array, "b H W 3"],
    *,
    family: Family,
    module: Any,
    request: Request,
    mesh: Mesh | None,
    at_once: int,
) -> Any:
    def answer_fn(inputs: Any, image: Array) -> Any:
        return family.answer(module, inputs, image, request)

    return map_images(answer_fn, inputs, pixels, mesh=mesh, at_once=at_once)
