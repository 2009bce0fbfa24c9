"""A backbone, a method and a refinement bound together, ready for many images.

This is where a method is compiled; a backbone's forward is (`backbones.Extractor`).
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from uhseg_jax import backbones, methods
from uhseg_jax.batches import map_images
from uhseg_jax.entry import entry_point
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.memory import ImageMemoryError, is_out_of_memory
from uhseg_jax.methods.method import Collection, Fitted
from uhseg_jax.refinement.config import Refinement, resolve_refinement
from uhseg_jax.refinement.refine import refine
from uhseg_jax.types import Array, Float, Pixels

__all__ = ["Segmenter", "jitted_trees"]


@dataclasses.dataclass(frozen=True)
class Segmenter:
    """A backbone, a method and a refinement, ready for many images.

    A tree never depends on its neighbours in a batch or on the number of devices: each
    image goes through the same program by itself.

    Attributes:
      backbone: the model with its weights.
      method: an entry of `methods.METHODS`.
      config: the method's frozen config.
      refinement: how trees on the patch grid become trees of pixels.
      mesh: devices among which the images of a batch are shared, along one axis
        ``"data"``; None for the default device.
    """

    backbone: backbones.Backbone
    method: methods.Method
    config: Any
    refinement: Refinement = dataclasses.field(default_factory=Refinement)
    mesh: Mesh | None = None

    @classmethod
    def create(
        cls,
        *,
        method: str = methods.DEFAULT_METHOD,
        model: str = backbones.DEFAULT_VARIANT,
        config: Any = None,
        refine: str | Refinement | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        mesh: Mesh | None = None,
    ) -> "Segmenter":
        """Looks up the method and loads the model; see `api.segment`."""
        chosen = methods.METHODS.find(method)
        config = chosen.resolve_config(config)
        refinement = resolve_refinement(chosen.refiner if refine is None else refine)
        # Before gigabytes are loaded for what the model cannot do.
        spec = backbones.get_variant(model).spec
        backbones.family_of(spec).resolve(spec, config.request)
        backbone = backbones.load_backbone(model, checkpoint_dir=checkpoint_dir)
        made = cls(backbone, chosen, config, refinement, mesh)
        made._extractor.inputs  # noqa: B018  a prompt that cannot be read fails here
        return made

    def __call__(self, images: Sequence[Pixels]) -> list[Segmentation]:
        """Segments several images of any sizes as one collection.

        Args:
          images: RGB pixels.

        Returns:
          One segmentation for every image; none for none.
        """
        if not images:
            return []
        fitted = self.fit(Collection(images.__getitem__, len(images)))
        return list(fitted.segment(range(len(images)), images))

    @entry_point
    def fit(self, collection: Collection) -> Fitted:
        """Lets the method learn from a collection what it wants to know of it."""
        return self.method.fit(self, collection)

    # -- methods that segment images one by one --------------------------------------

    @property
    def num_categories(self) -> None:
        """Images that are segmented one by one have no categories in common."""
        return None

    def segment(
        self, indices: Sequence[int], images: Sequence[Pixels]
    ) -> Iterator[Segmentation]:
        """Segments some images; see `methods.method.Fitted`.

        The whole batch is handed to the devices before the first result is waited for.

        Raises:
          ImageMemoryError: the next image is too large for the memory.
        """
        del indices
        # Each device takes one image at a time, so that one program serves batches of
        # any size.
        step = 1 if self.mesh is None else self.mesh.size
        waiting = []
        for start in range(0, len(images), step):
            features = self.features(images[start : start + step])
            waiting.append((features, self.trees(features)))
        for start, (features, trees) in zip(
            range(0, len(images), step), waiting, strict=True
        ):
            found = jax.device_get(trees)
            for i, image in enumerate(images[start : start + step]):
                tree = self._refined(found[i], features[i], image)
                yield Segmentation(tree=tree, grid=found[i])

    def _refined(
        self, tree: RegionTree, features: Float[Array, "h w d"], image: Pixels
    ) -> RegionTree:
        """As `refine`; what is too large for the memory is the fault of its image."""
        try:
            return self.refine(tree, features, image)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            height, width = image.shape[:2]
            raise ImageMemoryError(
                f"the regions of an image of {width} x {height} pixels do not fit into "
                "the memory there is; make it smaller, or give --refine=none."
            ) from error

    @functools.cached_property
    def _extractor(self) -> backbones.Extractor:
        return backbones.Extractor(self.backbone, self.config.request, self.mesh)

    def features(self, images: Sequence[Pixels]) -> Float[Array, "b h w d"]:
        """What the method asks of the backbone, for every image of a batch.

        With a mesh, the last image is repeated until the devices divide the batch.
        """
        return self._extractor(images)

    @entry_point
    def trees(self, features: Float[Array, "b h w d"]) -> RegionTree:
        """The method alone: a batched tree on the patch grid."""
        return jitted_trees(
            features, segment_fn=self.method.segment, config=self.config, mesh=self.mesh
        )

    def refine(
        self, tree: RegionTree, features: Float[Array, "h w d"], image: Pixels
    ) -> RegionTree:
        """A tree of the patch grid with its labels at the image's pixels."""
        return refine(tree, features, image, self.refinement)


@functools.partial(jax.jit, static_argnames=("segment_fn", "config", "mesh"))
def jitted_trees(
    features: Array,
    *,
    segment_fn: Callable[[Array, Any], Any],
    config: Any,
    mesh: Mesh | None = None,
) -> RegionTree:
    """A batched tree of features ``[b, h, w, d]``; compiled once for each config."""

    def tree_fn(nothing: tuple[()], features: Array) -> RegionTree:
        del nothing
        tree: RegionTree = segment_fn(features, config).tree
        return tree

    return map_images(tree_fn, (), features, mesh=mesh)
