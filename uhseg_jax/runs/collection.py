"""A collection with its categories into a folder: one pass over what was discovered."""

import collections
import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.discovery import Discovery, Extractor, discover
from uhseg_jax.discovery.regions import crop
from uhseg_jax.export.categories_page import Category, save_categories_page, thumbnail
from uhseg_jax.export.category_overlay import paint_categories, save_category_map
from uhseg_jax.export.coco import CocoWriter
from uhseg_jax.export.overlay import save_png
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.images import ImageError, read_image
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.runs import results
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.record import Settings, describe, naming_the_file
from uhseg_jax.runs.segment import Failure, Report
from uhseg_jax.types import Int, UInt8

__all__ = ["category_names", "discover_images", "settings_of"]

_CROPS = 40  # of a category on the page
_PASSES, _FEATURES = "passes", "features"  # folders of what the passes keep


def settings_of(
    extractor: Extractor, refinement: Refinement, run_images: Sequence[RunImage]
) -> Settings:
    """The settings of a run: categories depend on all the images as well."""
    config = dataclasses.asdict(extractor.config)
    del config["keep_features"]  # changes no result
    digest = hashlib.sha256()
    for image in run_images:
        digest.update(f"{image.name}\0{_identity(image)}\0".encode())
    config["images"] = f"{len(run_images)} ({digest.hexdigest()[:12]})"
    return describe(
        "segment",
        extractor.backbone,
        method="multilevel_clustering",
        config=config,
        refinement=dataclasses.asdict(refinement),
    )


def category_names(count: int) -> list[str]:
    """What the categories are called: "category 01", "category 02", ..."""
    digits = max(2, len(str(count)))
    return [f"category {number:0{digits}d}" for number in range(1, count + 1)]


@naming_the_file()
def discover_images(
    extractor: Extractor,
    run_images: Sequence[RunImage],
    output: Path,
    *,
    refinement: Refinement,
    since: int | None = None,
    formats: Collection[str] = ("npz", "png", "coco", "html"),
    on_image: Callable[[str, int], None] = lambda stage, index: None,
    on_failure: Callable[[str], None] = lambda reason: None,
) -> Report:
    """Finds the categories of a collection and writes them into a folder.

    For every image NAME.npz (a tree whose first level is the background and the
    regions, and ``categories``, one for each node), NAME.png and, if asked for,
    NAME.labels.png (category ids); ``coco.json`` and ``index.html`` for all. What the
    passes found lies in ``passes``, and in ``features`` if the config keeps them, so
    that a run that was killed goes on where it was.

    Args:
      extractor: the backbone with the config.
      run_images: under distinct names.
      output: the folder; see `record.claim`.
      refinement: from patches to pixels.
      since: time in ns from which files there are used; None: do all again, but for
        kept features, which are known by the pixels they were made from.
      formats: of `results.FORMATS`.
      on_image: called with "features", "regions" or "files" and an index after each
        image of each pass.
      on_failure: called with a sentence for every image that could not be read.

    Returns:
      The numbers of images done, and the failures.

    Raises:
      ImageError: not one image can be read.
      RunError: a file cannot be written. What is finished stays.
    """
    passes = output / _PASSES
    if since is None and passes.is_dir():
        shutil.rmtree(passes)
    found = discover(
        extractor,
        (lambda index: read_image(run_images[index].source), len(run_images)),
        refinement=refinement,
        folder=passes,
        features=output / _FEATURES,
        on_image=on_image,
    )
    failures = []

    def fail(index: int, reason: str) -> None:
        failures.append(Failure(run_images[index].title, reason))
        on_failure(reason)

    for index, reason in found.failures.items():
        fail(index, reason)
    page = _Page(found)
    counts: collections.Counter[bool] = collections.Counter()
    with contextlib.ExitStack() as stack:
        coco = None
        if "coco" in formats:
            names = category_names(found.count)
            writer = CocoWriter(output / "coco.json", categories=names)
            coco = stack.enter_context(writer)
        for index, image in enumerate(run_images):
            pixels = None
            if index not in found.failures:
                try:
                    pixels = read_image(image.source)
                except (ImageError, OSError) as error:  # gone meanwhile
                    fail(index, str(error))
            if pixels is not None:
                tree, categories = found.tree(index)
                counts[
                    _write(output, image.name, pixels, found, index, formats, since)
                ] += 1
                if coco:
                    size = pixels.shape[:2]
                    coco.add(image.title, size, tree, category_ids=categories)
                if "html" in formats:
                    page.add(index, image.title, pixels)
            on_image("files", index)
    if "html" in formats:
        page.save(output / "index.html", num_images=len(run_images) - len(failures))
    return Report(counts[False], counts[True], tuple(failures))


def _identity(image: RunImage) -> str:
    """Tells an image file from what it may become."""
    if not isinstance(image.source, Path):
        return hashlib.sha256(image.source.tobytes()).hexdigest()
    try:
        stat = image.source.stat()
    except OSError:
        return "absent"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _write(
    output: Path,
    name: str,
    pixels: UInt8[np.ndarray, "H W 3"],
    found: Discovery,
    index: int,
    formats: Collection[str],
    since: int | None,
) -> bool:
    """Writes the files of one image, the npz last; whether that was there."""
    drawn, labelled = results.png_paths(output, name)
    archive = output / f"{name}.npz"

    def is_there(path: Path) -> bool:
        return since is not None and path.exists() and path.stat().st_mtime_ns >= since

    done = "npz" in formats and is_there(archive)
    categories, regions = found.categories(index), found.regions(index).labels
    if "png" in formats and not (done and is_there(drawn)):
        sheet = paint_categories(pixels, categories, regions, count=found.count)
        results.write_drawn(drawn, "categories", lambda path: save_png(path, sheet))
    if "labels" in formats and not (done and is_there(labelled)):
        results.write_drawn(
            labelled,
            "category ids",
            lambda path: save_category_map(path, categories, count=found.count),
        )
    if "npz" in formats and not done:
        tree, of_node = found.tree(index)
        tree_file.write(
            archive,
            labels=np.asarray(tree.labels),
            parents=np.asarray(tree.parents),
            depths=np.asarray(tree.depths),
            costs=np.asarray(tree.costs),
            categories=of_node.astype(np.int32),
        )
    return done


class _Page:
    """Collects the crops of a page: those nearest to the centroids, few of each."""

    def __init__(self, found: Discovery):
        self._found = found
        numbers, distances = map(np.concatenate, (found.numbers, found.distances))
        sizes = [len(x) for x in found.numbers]
        self._image = np.repeat(np.arange(len(sizes)), sizes)
        self._region = np.concatenate([np.arange(size) for size in sizes])
        self._number = numbers
        self._chosen: dict[int, Int[np.ndarray, " c"]] = {}
        for number in range(1, found.count + 1):
            members = np.flatnonzero(numbers == number)
            order = np.argsort(distances[members], kind="stable")
            self._chosen[number] = members[order[:_CROPS]]
        self._wanted = collections.defaultdict(list)
        for chosen in self._chosen.values():
            for row in chosen.tolist():
                self._wanted[int(self._image[row])].append(row)
        self._crops: dict[int, tuple[str, bytes]] = {}

    def add(self, index: int, title: str, pixels: UInt8[np.ndarray, "H W 3"]) -> None:
        """Takes the crops that the page shows of an image."""
        rows = self._wanted.get(index, [])
        if not rows:
            return
        regions = self._found.regions(index)
        for row in rows:
            region = int(self._region[row])
            box = regions.boxes[region]
            top, left, bottom, right = box.tolist()
            inside = regions.labels[top:bottom, left:right] == region + 1
            self._crops[row] = title, thumbnail(crop(pixels, box), inside)

    def save(self, path: Path, *, num_images: int) -> None:
        """Writes the page."""
        categories = []
        for number, name in enumerate(category_names(self._found.count), start=1):
            members = np.flatnonzero(self._number == number)
            chosen = self._chosen[number].tolist()
            categories.append(
                Category(
                    name,
                    members.size,
                    np.unique(self._image[members]).size,
                    [self._crops[x] for x in chosen if x in self._crops],
                )
            )
        save_categories_page(path, categories, num_images=num_images)
