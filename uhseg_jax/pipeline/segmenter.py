"""A backbone, a method and a refinement bound together, ready for many images."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from uhseg_jax import backbones, methods
from uhseg_jax.backbones.requests import grid_shape
from uhseg_jax.batches import filled, images_at_once, num_devices
from uhseg_jax.entry import entry_point
from uhseg_jax.features import FeatureSource, at_unit_length
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageError
from uhseg_jax.memory import blame_image
from uhseg_jax.methods import FunctionMethod
from uhseg_jax.methods.fitted import Collection, Fitted, PreparedImage
from uhseg_jax.pipeline.given import Given
from uhseg_jax.pipeline.grid_tree import GridTree
from uhseg_jax.pipeline.groups import Prepare, segment_in_groups
from uhseg_jax.pipeline.programs import compile_soon, jitted_trees
from uhseg_jax.refinement.config import Refinement, resolve_refinement
from uhseg_jax.refinement.refine import clean, refine
from uhseg_jax.types import Array, Float, Pixels

__all__ = ["Segmenter"]


@dataclasses.dataclass(frozen=True)
class Segmenter:
    """A backbone, a method and a refinement, ready for many images.

    A tree never depends on its neighbours in a batch, on how many they are or on the
    number of devices: every image goes through the same program, on CPUs by itself, on
    accelerators in a group of always the same number (`batches`).

    Attributes:
      backbone: what gives features of an image: the model with its weights, or features
        of one's own.
      method: an entry of `methods.METHODS`, or one's own.
      config: the method's frozen config.
      refinement: how trees on the patch grid become trees of pixels.
      mesh: devices among which the images of a batch are shared, along one axis
        ``"data"``; None for the default device.
    """

    backbone: backbones.Backbone | FeatureSource
    method: methods.Method
    config: Any
    refinement: Refinement = dataclasses.field(default_factory=Refinement)
    mesh: Mesh | None = None

    @classmethod
    def create(
        cls,
        *,
        method: str | methods.Method | Callable[..., Any] = methods.DEFAULT_METHOD,
        model: str | backbones.Variant = backbones.DEFAULT_VARIANT,
        features: FeatureSource | None = None,
        config: Any = None,
        refine: str | Refinement | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        dtype: str = backbones.AUTO,
        mesh: Mesh | None = None,
    ) -> Segmenter:
        """Looks up the method and finds the model; see `api.segment`.

        The model's parameters are read, and programs compiled meanwhile, when there is
        something to compute. With ``features`` there is no model.
        """
        chosen = methods.method_of(method)
        config = chosen.resolve_config(config)
        refinement = resolve_refinement(chosen.refiner if refine is None else refine)
        if features is not None:
            config = chosen.config_for_features(config)
            return cls(features, chosen, config, refinement, mesh)
        # Before gigabytes are loaded for what the model cannot do.
        spec = backbones.get_variant(model).spec
        backbones.family_of(spec).resolve(spec, config.request)
        backbone = backbones.find_backbone(
            model, checkpoint_dir=checkpoint_dir, dtype=dtype
        )

        def read_and_compile() -> Any:
            if mesh is None and isinstance(spec, backbones.ViTSpec):
                compile_soon(backbones.abstract_backbone(backbone), chosen, config)
            return backbone.params

        own = dataclasses.replace(backbone, read_params=read_and_compile)
        made = cls(own, chosen, config, refinement, mesh)
        made._extractor.require_inputs()  # a prompt that cannot be read fails here
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
        self,
        indices: Sequence[int],
        images: Sequence[Pixels],
        prepared: Sequence[Prepare] | None = None,
    ) -> Iterator[Segmentation]:
        """Segments some images; see `methods.fitted.Fitted`.

        When this returns, the whole batch is with the devices; while they have the
        forwards the host prepares the images. The results raise

        * images.ImageError: the next image cannot be segmented;
        * ImageMemoryError: the next image is too large for the memory.
        """
        del indices
        if prepared is None:
            prepared = [functools.partial(self.prepare, x) for x in images]
        return segment_in_groups(self, images, prepared)

    @functools.cached_property
    def _extractor(self) -> backbones.Extractor:
        assert isinstance(self.backbone, backbones.Backbone)
        return backbones.Extractor(self.backbone, self.config.request, self.mesh)

    @property
    def source(self) -> FeatureSource | None:
        """Features of one's own; None where a model has them."""
        backbone = self.backbone
        return None if isinstance(backbone, backbones.Backbone) else backbone

    @property
    def _group(self) -> int:
        """Images that go through a program together, on each device."""
        return images_at_once() if self.source is not None else self._extractor.group

    @property
    def step(self) -> int:
        """Images that go through a program together, on all devices."""
        return self._group * num_devices(self.mesh)

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the features."""
        grid = self._extractor.resolved.grid
        assert grid is not None, "a resolved request has one"
        return grid_shape(grid)

    @property
    def image_size(self) -> tuple[int, int]:
        """Pixels (height, width) of images as the backbone sees them."""
        return self._extractor.image_size

    def features(self, images: Sequence[Pixels]) -> Float[Array, "b h w d"]:
        """What the method asks of the backbone, for every image of a batch.

        The last image is repeated until the devices, and the groups of images that go
        through a program together, divide the batch.
        """
        return self._extractor(images)

    def features_of(
        self, images: Sequence[Pixels], names: Sequence[str]
    ) -> Iterator[Float[Array | np.ndarray, "h w d"]]:
        """The features alone of some images; see `methods.fitted.Fitted`."""
        if self.source is not None:
            return map(self._read, names)
        starts = range(0, len(images), self.step)
        batches = [self.features(images[i : i + self.step]) for i in starts]
        return (batches[i // self.step][i % self.step] for i in range(len(images)))

    def prepare(
        self, image: Pixels, grid: tuple[int, ...] | None = None, *, name: str = ""
    ) -> Any:
        """What the method wants of an image's pixels; None where it wants nothing.

        Features of one's own are read as well.

        Args:
          image: RGB pixels.
          grid: (h, w) of the features; None: as they are.
          name: of the image, by which features of one's own are found.

        Returns:
          A `PreparedImage` or None; of features of one's own, what `segment` takes.

        Raises:
          images.ImageError: the image cannot be segmented.
          ImageMemoryError: it is too large for the memory.
        """
        with blame_image(image, "make it smaller"):
            if self.source is None:
                rows, columns = grid or self.grid
                return self.method.prepare(image, (rows, columns), self.config)
            features = self._read(name)
            own = self.method.prepare(image, features.shape[:2], self.config)
            return Given.of(features, own)

    def _read(self, name: str) -> Float[np.ndarray, "h w d"]:
        """The features of an image of a name, as the method works on them."""
        assert self.source is not None
        features = self.source.read(name)
        try:
            self.method.check_features(features)
        except ValueError as error:
            raise ImageError(f"{name}: {error}" if name else str(error)) from error
        if isinstance(self.method, FunctionMethod):
            return features.astype(np.float32)
        return at_unit_length(features)

    @entry_point
    def trees(
        self,
        features: Float[Array | np.ndarray, "b h w d"],
        prepared: Sequence[PreparedImage | Given | None] = (None,),
    ) -> GridTree:
        """The method alone: a batched tree.

        Args:
          features: of a batch that is filled up, as `features` gives it.
          prepared: the first images of the batch, one at least, as `prepare` gives
            them; the last is repeated for features that are left over.
        """
        graphs = filled([x and x.graph for x in prepared], len(features))
        return jitted_trees(
            features,
            jax.tree.map(lambda *x: np.stack(x), *graphs),
            segment_fn=self.method.segment,
            config=self.config,
            mesh=self.mesh,
            at_once=self._group,
        )

    def refine(
        self,
        grid: GridTree,
        features: Float[Array | np.ndarray, "h w d"],
        image: Pixels,
        prepared: PreparedImage | None = None,
    ) -> RegionTree:
        """The tree of an image with its labels at the pixels.

        Args:
          grid: its tree, as `trees` gives it.
          features: of its patches.
          image: RGB pixels.
          prepared: as it was for the tree. Without refiners its superpixels are the
            borders; refiners begin with the patch grid in any case.
        """
        if prepared is not None and self.refinement.refiners is None:
            labels = np.asarray(grid.leaves)[prepared.labels]
            return clean(grid.tree, labels, self.refinement)
        return refine(grid.tree, features, image, self.refinement)
