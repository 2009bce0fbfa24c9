"""The passes over a collection: from images to regions with categories.

The first pass gives a sample of patches and the class tokens of all images, from which
the upper two levels are learned; the second finds the foreground of every image and its
regions; the class tokens of these are clustered. One image is in memory at a time, and
what a pass found is saved image by image, so a run that was stopped goes on where it
was.
"""

import contextlib
import dataclasses
import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import ImageError
from uhseg_jax.methods import recursive_spectral
from uhseg_jax.methods.fitted import Collection, Segmenter
from uhseg_jax.methods.multilevel_clustering import regions
from uhseg_jax.methods.multilevel_clustering.categories import find_categories
from uhseg_jax.methods.multilevel_clustering.config import Config
from uhseg_jax.methods.multilevel_clustering.feature_store import FeatureStore
from uhseg_jax.methods.multilevel_clustering.features import (
    ImageFeatures,
    check_requests,
    class_tokens,
)
from uhseg_jax.methods.multilevel_clustering.foreground import (
    find_foreground,
    probabilities,
)
from uhseg_jax.methods.multilevel_clustering.kept import ImageRegions, Kept
from uhseg_jax.methods.multilevel_clustering.upper_levels import (
    Levels,
    Sample,
    fit_levels,
)
from uhseg_jax.refinement.foreground import refine_foreground
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.refinement.refine import refine
from uhseg_jax.scratch import scratch_folder
from uhseg_jax.types import Float, Int, Pixels, UInt8

__all__ = ["LEVELS", "PASSES", "Discovery", "ImageRegions", "fit"]

_log = logging.getLogger(__name__)
_FEWEST_REGIONS = 4  # for each category, where categories are to mean something

LEVELS = ("dataset", "category", "image", "final")
PASSES = ("features", "regions")


@dataclasses.dataclass(frozen=True)
class Discovery:
    """What was found in a collection; see `methods.fitted.Fitted`.

    Attributes:
      num_categories: how many categories were found; they are numbered from 1.
      numbers: for every image the category of its regions, in their order; empty for an
        image that could not be read.
      distances: for every image the distance of each region from the centroid of its
        category.
      failures: sentences for the images that could not be read, by their index.
      regions: reads the regions of an image back.
    """

    num_categories: int
    numbers: tuple[Int[np.ndarray, " _"], ...]
    distances: tuple[Float[np.ndarray, " _"], ...]
    failures: dict[int, str]
    regions: Callable[[int], ImageRegions]

    def prepare(self, image: Pixels, *, name: str = "") -> None:
        """Nothing, for all was found when the method was fitted."""
        del image, name

    def segment(
        self, indices: Sequence[int], images: Any, prepared: Any = None
    ) -> Iterator[Segmentation]:
        """The regions of some images as trees whose first level they are.

        Raises:
          images.ImageError: an image could not be read when the method was fitted.
        """
        del images, prepared
        for index in indices:
            if index in self.failures:
                raise ImageError(self.failures[index])
            yield self._segmentation(index)

    def features_of(self, images: Any, names: Any) -> Iterator[Any]:
        """Always raises ValueError: features are not kept."""
        raise ValueError("method 'multilevel_clustering' keeps no features of regions.")

    def _segmentation(self, index: int) -> Segmentation:
        found = self.regions(index)
        tree, label = regions.flat_tree(found.labels)
        on_grid = resize_labels(found.labels, found.levels.shape[1:])

        def of_nodes(values: np.ndarray) -> np.ndarray:
            """A value of every region as one of every node, 0 for the others."""
            return np.concatenate([[0], values])[np.maximum(label, 0)]

        return Segmentation(
            tree=tree,
            grid=regions.flat_tree(on_grid)[0],
            categories=of_nodes(self.numbers[index]).astype(np.int32),
            distances=of_nodes(self.distances[index]).astype(np.float32),
            masks=dict(zip(LEVELS, found.levels, strict=True)),
        )


def fit(segmenter: Segmenter, collection: Collection) -> Discovery:
    """Finds the foreground, the regions and the categories of a collection.

    Args:
      segmenter: the backbone, the config and the refinement.
      collection: the images. A call with a folder that holds some of what the passes
        find goes on from there, images that could not be read included; without one, a
        temporary folder is used, which goes with the returned object.

    Returns:
      The categories; images that cannot be read are reported there.

    Raises:
      images.ImageError: there are no images, or not one of them can be read.
      ValueError: there is only a share of the images, or the backbone does not fit.
      OSError: a file cannot be written.
    """
    config: Config = segmenter.config
    if collection.is_share:
        raise ValueError(
            "multilevel_clustering learns its categories from all images together; "
            "run it in one process, without --distributed and --shard."
        )
    check_requests(segmenter.backbone, config)
    if collection.count == 0:
        raise ImageError(
            "expected at least one image to find categories in, but got none."
        )
    if collection.folder is None:
        return _fit_in_scratch(segmenter, collection)
    features = collection.folder / "features" if config.keep_features else None
    store = FeatureStore(segmenter.backbone, config, features)
    folder = collection.kept(config.seed)
    kept = Kept(folder, collection.count)
    failures = _find_all(segmenter, collection, store, kept)

    def regions_of(index: int) -> ImageRegions:
        found = kept.regions(index)
        if found is None:
            raise FileNotFoundError(
                f"{folder}: expected the regions of image {index}, but the file is "
                "gone or damaged; begin again, and they are found again."
            )
        return found

    return _categorised(regions_of, collection.count, failures, config)


def _fit_in_scratch(segmenter: Segmenter, collection: Collection) -> Discovery:
    """In a temporary folder, which goes with what reads from it."""
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        found = fit(segmenter, dataclasses.replace(collection, folder=scratch))
        weakref.finalize(found.regions, stack.pop_all().close)
    return found


def _find_all(
    segmenter: Segmenter, collection: Collection, store: FeatureStore, kept: Kept
) -> dict[int, str]:
    """Keeps the levels and the regions of all images; returns the failures.

    Raises:
      images.ImageError: not one image can be read.
    """
    failures, levels = kept.failures(), kept.levels()
    waiting = [
        index
        for index in range(collection.count)
        if index not in failures and (levels is None or kept.regions(index) is None)
    ]

    def read(index: int) -> UInt8[np.ndarray, "H W 3"] | None:
        """An image; if it cannot be read, None, and it is left out from then on."""
        try:
            return collection.read(index) if index not in failures else None
        except (ImageError, OSError) as error:
            failures[index] = str(error)
            kept.add_failure(index, str(error))
            return None

    if levels is None:
        sample = Sample(collection.count, segmenter.config)
        for index in range(collection.count):
            if (pixels := read(index)) is not None:
                sample.add(index, store(pixels))
            collection.on_image("features", index)
        if len(sample):
            levels = fit_levels(sample, segmenter.config, count=collection.count)
            kept.add_levels(levels)
    for index in waiting:
        if (pixels := read(index)) is not None:
            assert levels is not None
            found = _find_regions(segmenter, pixels, store(pixels), levels, index)
            kept.add_regions(index, found)
        collection.on_image("regions", index)
    if len(failures) == collection.count:
        raise ImageError(
            f"not one of the {collection.count} images could be read; the first: "
            f"{failures[0]}"
        )
    return dict(sorted(failures.items()))


def _find_regions(
    segmenter: Segmenter,
    pixels: UInt8[np.ndarray, "H W 3"],
    features: ImageFeatures,
    levels: Levels,
    index: int,
) -> ImageRegions:
    """The regions of the image of an index, with their class tokens."""
    config: Config = segmenter.config
    found = find_foreground(
        jax.random.fold_in(jax.random.key(config.seed), index),
        features.patches.astype(np.float32),
        features.attention,
        levels.dataset,
        levels.category_of(index),
        config,
    )
    soft = probabilities(found.final, temperature=config.temperature)
    mask = refine_foreground(soft, pixels, segmenter.refinement)
    if config.regions == "components":
        labels = regions.components(mask, min_area=config.min_area)
    else:
        labels = regions.tree_regions(
            _cut(segmenter, pixels),
            mask,
            majority=config.majority,
            min_area=config.min_area,
        )
    boxes = regions.boxes(labels)
    crops = [regions.crop(pixels, box) for box in boxes]
    width = features.class_token.size
    tokens = class_tokens(segmenter.backbone, crops, config, width=width)
    masks = np.stack([np.asarray(getattr(found, name)) > 0 for name in LEVELS])
    return ImageRegions(labels, boxes, tokens, masks)


def _cut(
    segmenter: Segmenter, pixels: UInt8[np.ndarray, "H W 3"]
) -> Int[np.ndarray, "H W"]:
    """The regions of the image's own tree, at its pixels."""
    config: Config = segmenter.config
    features = segmenter.backbone.answer(pixels, config.tree_request)
    output = _segmented(features, config=recursive_spectral.two_way())
    tree = jax.device_get(output.tree)
    pruned = jax.device_get(tree.prune(num_regions=config.tree_regions))
    return np.asarray(refine(pruned, features, pixels, segmenter.refinement).labels)


_segmented = jax.jit(recursive_spectral.segment, static_argnames="config")


def _categorised(
    regions_of: Callable[[int], ImageRegions],
    count: int,
    failures: dict[int, str],
    config: Config,
) -> Discovery:
    """The last step: the class tokens of all regions clustered."""
    tokens = {i: regions_of(i).tokens for i in range(count) if i not in failures}
    sizes = np.array([len(tokens.get(i, ())) for i in range(count)])
    if sizes.sum() < _FEWEST_REGIONS * config.num_categories:
        _log.warning(
            "Only %d regions were found in all images, too few for %d categories: many "
            "will hold one region or two, and none may mean anything. Give more "
            "images, or a smaller num_categories.",
            sizes.sum(),
            config.num_categories,
        )
    found = find_categories(
        np.concatenate(list(tokens.values())),
        num_categories=config.num_categories,
        whitened=config.whitened,
        restarts=config.kmeans_restarts,
        max_iterations=config.kmeans_iterations,
        seed=config.seed,
    )
    ends = np.cumsum(sizes)[:-1]
    return Discovery(
        found.count,
        tuple(np.split(found.numbers, ends)),
        tuple(np.split(found.distances, ends)),
        failures,
        regions_of,
    )
