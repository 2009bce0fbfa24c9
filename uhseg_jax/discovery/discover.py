"""The passes over a collection: from images to regions with categories.

The first pass gives a sample of patches and the class tokens of all images, from
which the upper two levels are learned; the second finds the foreground of every image
and its regions; the class tokens of these are clustered. One image is in memory at a
time, and what a pass found is saved image by image, so a run that was stopped goes
on where it was.
"""

import contextlib
import dataclasses
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from uhseg_jax import images
from uhseg_jax.discovery import regions
from uhseg_jax.discovery.categories import find_categories
from uhseg_jax.discovery.extractor import Extractor, ImageFeatures
from uhseg_jax.discovery.levels import Levels, Sample, fit_levels
from uhseg_jax.discovery.store import FeatureStore, read_arrays, write_arrays
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods import multilevel_clustering as method
from uhseg_jax.methods import recursive_spectral
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.foreground import refine_foreground
from uhseg_jax.refinement.refine import refine
from uhseg_jax.segmenter import jitted_trees
from uhseg_jax.types import Bool, Float, Int, UInt8

__all__ = ["Discovery", "ImageRegions", "discover", "find_regions"]

_FIELDS = ("labels", "boxes", "tokens", "levels")
LEVELS = ("dataset", "category", "image", "final")

Read = Callable[[int], UInt8[np.ndarray, "H W 3"]]


@dataclasses.dataclass(frozen=True)
class ImageRegions:
    """The regions of one image.

    Attributes:
      labels: int32 ``[H, W]``, 0 for the background and regions from 1.
      boxes: ``[r, 4]``, top, left, bottom and right.
      tokens: float32 ``[r, e]``, class tokens.
      levels: bool ``[4, h, w]``, foreground on the patch grid at the levels `LEVELS`.
    """

    labels: Int[np.ndarray, "H W"]
    boxes: Int[np.ndarray, "r 4"]
    tokens: Float[np.ndarray, "r e"]
    levels: Bool[np.ndarray, "4 h w"]


@dataclasses.dataclass(frozen=True)
class Discovery:
    """What was found in a collection.

    Attributes:
      count: categories, numbered from 1.
      numbers: for every image the category of its regions, in their order; empty for
        an image that could not be read.
      distances: for every image the distance of each region from the centroid of its
        category.
      failures: sentences for the images that could not be read, by their index.
      regions: reads the regions of an image back.
    """

    count: int
    numbers: tuple[Int[np.ndarray, " _"], ...]
    distances: tuple[Float[np.ndarray, " _"], ...]
    failures: dict[int, str]
    regions: Callable[[int], ImageRegions]

    def categories(self, image: int) -> Int[np.ndarray, "H W"]:
        """The category of every pixel, 0 for the background."""
        table = np.concatenate([[0], self.numbers[image]])
        return table[self.regions(image).labels].astype(np.int32)

    def tree(self, image: int) -> tuple[RegionTree, Int[np.ndarray, " n"]]:
        """The regions as a tree, and the category of every node.

        The first level is the background and the regions. The category is 0 for the
        background and for a root that has children.
        """
        tree, label = regions.flat_tree(self.regions(image).labels)
        table = np.concatenate([[0], self.numbers[image]])
        return tree, np.where(label > 0, table[np.maximum(label, 0)], 0)


def discover(
    extractor: Extractor,
    photographs: Sequence[images.PathLike | UInt8[np.ndarray, "_ _ 3"]]
    | tuple[Read, int],
    *,
    refinement: Refinement | None = None,
    folder: Path | None = None,
    features: Path | None = None,
    on_image: Callable[[str, int], None] = lambda stage, index: None,
) -> Discovery:
    """Finds the foreground, the regions and the categories of a collection.

    Args:
      extractor: the backbone with the config.
      photographs: paths or pixels; or a function that reads the image of an index, and
        how many there are.
      refinement: from patches to pixels; None: interpolated (`upsample`).
      folder: where what is found of every image is kept, for this collection and
        these parameters alone; a call with a folder that holds some of it goes on from
        there. None for a temporary folder, which goes with the returned object.
      features: folder of saved features, which may be shared; None for one in
        ``folder``. Nothing is saved there if the config says not to keep features.
      on_image: called with "features" or "regions" and the index after each image
        of each pass, failed or not.

    Returns:
      The categories; images that cannot be read are reported there.

    Raises:
      images.ImageError: there are no images, or not one of them can be read.
      OSError: a file cannot be written.
    """
    config = extractor.config
    refinement = Refinement("upsample") if refinement is None else refinement
    read, count = _reader(photographs)
    if count == 0:
        raise images.ImageError(
            "expected at least one image to find categories in, but got none."
        )
    if folder is None:
        with contextlib.ExitStack() as stack:
            scratch = Path(tempfile.mkdtemp(prefix="uhseg-"))
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            found = discover(
                extractor,
                photographs,
                refinement=refinement,
                folder=scratch,
                features=features,
                on_image=on_image,
            )
            # The folder goes with what reads from it.
            weakref.finalize(found.regions, stack.pop_all().close)
        return found
    kept = (features or folder / "features") if config.keep_features else None
    store = FeatureStore(extractor, kept)
    path_of = {i: folder / "regions" / f"{i:07d}.npz" for i in range(count)}
    waiting = [i for i in range(count) if not path_of[i].exists()]
    failures: dict[int, str] = {}
    if len(waiting) < count:  # are those that wait to be had at all?
        for index in waiting:
            _try_to_read(read, index, failures)
    if len(failures) < len(waiting):
        levels = _learn(store, read, count, failures, config, on_image)
        for index in waiting:
            pixels = None
            if index not in failures:
                pixels = _try_to_read(read, index, failures)
            if pixels is not None:
                one = find_regions(
                    extractor, pixels, store(pixels), levels, index, refinement
                )
                write_arrays(
                    path_of[index], **{name: getattr(one, name) for name in _FIELDS}
                )
            on_image("regions", index)

    def regions_of(index: int) -> ImageRegions:
        arrays = read_arrays(path_of[index], _FIELDS)
        if arrays is None:
            raise FileNotFoundError(
                f"{path_of[index]}: expected the regions of an image, but the file is "
                "gone or damaged; delete it and find them again."
            )
        return ImageRegions(**arrays)

    return _categorised(regions_of, count, failures, config)


def _reader(photographs: object) -> tuple[Read, int]:
    if (
        isinstance(photographs, tuple)
        and len(photographs) == 2
        and callable(photographs[0])
    ):
        return photographs[0], int(photographs[1])
    sources = list(photographs)  # type: ignore[call-overload]
    return (lambda index: images.read_image(sources[index])), len(sources)


def _try_to_read(
    read: Read, index: int, failures: dict[int, str]
) -> UInt8[np.ndarray, "H W 3"] | None:
    """An image; if it cannot be read, None, and the failures say why."""
    try:
        return read(index)
    except (images.ImageError, OSError) as error:
        failures[index] = str(error)
        return None


def _learn(
    store: FeatureStore,
    read: Read,
    count: int,
    failures: dict[int, str],
    config: method.Config,
    on_image: Callable[[str, int], None],
) -> Levels:
    """The first pass; adds the images that cannot be read to the failures."""
    sample = Sample(count, config)
    for index in range(count):
        pixels = _try_to_read(read, index, failures)
        if pixels is not None:
            sample.add(index, store(pixels))
        on_image("features", index)
    if not len(sample):
        raise images.ImageError(
            f"not one of the {count} images could be read; the first: {failures[0]}"
        )
    return fit_levels(sample, config, count=count)


def find_regions(
    extractor: Extractor,
    pixels: UInt8[np.ndarray, "H W 3"],
    features: ImageFeatures,
    levels: Levels,
    index: int,
    refinement: Refinement,
) -> ImageRegions:
    """The regions of one image of a collection, with their class tokens.

    Args:
      extractor: the backbone with the config.
      pixels: the image.
      features: of its patches.
      levels: of the collection.
      index: of the image in it.
      refinement: from patches to pixels.
    """
    config = extractor.config
    key = jax.random.fold_in(jax.random.key(config.seed), index)
    found = method.find_foreground(
        key,
        features.patches.astype(np.float32),
        features.attention,
        levels.dataset,
        levels.category_of(index),
        config,
    )
    soft = method.probabilities(found.final, temperature=config.temperature)
    mask = refine_foreground(soft, pixels, refinement)
    if config.regions == "components":
        labels = regions.components(mask, min_area=config.min_area)
    else:
        labels = regions.tree_regions(
            _cut(extractor, pixels, refinement),
            mask,
            majority=config.majority,
            min_area=config.min_area,
        )
    boxes = regions.boxes(labels)
    tokens = extractor.class_tokens([regions.crop(pixels, box) for box in boxes])
    masks = np.stack([np.asarray(getattr(found, name)) > 0 for name in LEVELS])
    return ImageRegions(labels, boxes, tokens, masks)


def _cut(
    extractor: Extractor, pixels: UInt8[np.ndarray, "H W 3"], refinement: Refinement
) -> Int[np.ndarray, "H W"]:
    """The regions of the image's own tree, at its pixels."""
    features = extractor.tree_features(pixels)
    config = recursive_spectral.default()
    trees = jitted_trees(
        features[None], segment_fn=recursive_spectral.segment, config=config
    )
    tree = jax.device_get(trees[0])
    num_regions = extractor.config.tree_regions
    pruned = jax.device_get(tree.prune(num_regions=num_regions))
    return np.asarray(refine(pruned, features, pixels, refinement).labels)


def _categorised(
    regions_of: Callable[[int], ImageRegions],
    count: int,
    failures: dict[int, str],
    config: method.Config,
) -> Discovery:
    """The last step: the class tokens of all regions clustered."""
    tokens = {i: regions_of(i).tokens for i in range(count) if i not in failures}
    sizes = np.array([len(tokens.get(i, ())) for i in range(count)])
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
        dict(sorted(failures.items())),
        regions_of,
    )
