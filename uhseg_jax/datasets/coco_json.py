"""Images and their objects as a COCO JSON file lists them, scored as they lie there."""

import collections
import dataclasses
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from uhseg_jax.datasets.listed import (
    ListedImage,
    ListedObject,
    ListedSource,
    integer_id,
    read_object,
    read_size,
    require_sizes,
)
from uhseg_jax.datasets.pairs import Pair, read_names, select
from uhseg_jax.datasets.source import DatasetError, reading, stop_at
from uhseg_jax.files import parse_json
from uhseg_jax.images import PathLike, natural_order

__all__ = ["CocoJsonSource"]

_log = logging.getLogger(__name__)

_LISTS = ("images", "annotations", "categories")
_MANY_MASKS = 10_000  # annotations from which on reading them shows its progress
_NAMED = 8  # annotations that a notice names
_CLIPPED = (
    "%s: objects with polygons that leave their image: %d (annotations %s). They end "
    "at its border, as pycocotools has it."
)
_EMPTY = (
    "%s: objects without a pixel: %d (annotations %s). Nothing can find them, and "
    "COCO's evaluation counts them all the same."
)

# By the id in the file: an image without its objects yet.
_Images = dict[Any, Pair]


class CocoJsonSource(ListedSource):
    """Images and objects of a file in COCO's format for instances.

    COCO's own ``instances_val2017.json``, LVIS, PACO, PartImageNet, EntitySeg, ADE20K's
    instances as Mask2Former writes them, and whatever else pycocotools opens: masks as
    polygons or run lengths, crowds by ``iscrowd``. Classes are of no matter.

    An image is sought in the folder by its ``file_name`` and by the end of its
    ``coco_url`` (LVIS has no other name), with and without the folder in it; its name
    here is that without the suffix. Images come by name, frame_2 before frame_10. Those
    without objects belong to the dataset as the others do. The whole file is looked at
    when the source is made, and everything that is wrong is named; the masks are kept
    as run lengths. (A file of the size of LVIS val takes 1.8 GB while it is read.)

    Attributes:
      name: of the dataset, for reports.
      taxonomy: of the labels: background 0, object 1, and 255, which does not count,
        for crowds.
    """

    def __init__(
        self,
        images: PathLike,
        annotations: PathLike,
        *,
        names: Sequence[str] | PathLike | None = None,
        name: str = "coco_json",
        places: Callable[[str], Sequence[str]] = lambda name: (name,),
    ):
        """Reads the annotations and looks for the images.

        Args:
          images: the folder in which they lie.
          annotations: the JSON file.
          names: the images to take, without suffixes, in this order: a list, or a text
            file with one name a line. By default all that the file lists.
          name: what to call the dataset.
          places: where in the folder an image of this name in the file may lie, as
            paths in it; by default under the name itself.

        Raises:
          DatasetError: the file or the folder is missing; the file is none of these
            (results of a detector, panoptic annotations), or lists no images, objects
            or categories; ids or names repeat; images are missing or of another size;
            an annotation is of an image that is not listed, or its mask cannot be
            (polygons of two points or with coordinates far from the image, run lengths
            of another size). The message names the first 16 problems and counts the
            rest.
        """
        self.name = name
        folder, path = Path(images), Path(annotations)
        if not folder.is_dir():
            raise DatasetError(
                f"{folder}: expected a folder of images, but there is none; check the "
                "path."
            )
        document, self._digest = _read(path)
        found = _read_images(document["images"], path, folder, places)
        pairs = sorted(found.values(), key=lambda pair: natural_order(pair.name))
        if isinstance(names, (str, os.PathLike)):
            names = read_names(names)
        if names is not None:
            pairs = select(pairs, names, where=path)
        if not pairs:
            raise DatasetError(
                f"{path}: the list of names is empty; name at least one image."
            )
        if not any(pair.image.is_file() for pair in pairs):
            raise DatasetError(
                f"{folder}: expected the {len(pairs)} images that {path} lists, the "
                f"first of them {pairs[0].image}, but none is there; give the folder "
                "and the annotations of one split."
            )
        require_sizes(pairs, where=path)
        chosen = {pair.name for pair in pairs}
        objects = _read_objects(document["annotations"], path, found, chosen)
        self._pairs = [_with_objects(pair, objects[pair.name]) for pair in pairs]

    def _annotations_digest(self) -> str:
        return self._digest

    def _listed(self, index: int) -> ListedImage:
        return self._pairs[index].note


def _with_objects(pair: Pair, listed: Sequence[ListedObject]) -> Pair:
    return dataclasses.replace(
        pair, note=dataclasses.replace(pair.note, listed=tuple(listed))
    )


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """What a file holds, its lists among it, and the digest of its bytes."""
    if not path.is_file():
        raise DatasetError(
            f"{path}: expected a JSON file of annotations, but there is none; check "
            "the path."
        )
    what = "annotations in COCO's format (JSON)"
    with reading(path, what, advice="use the original file"):
        content = path.read_bytes()
        document = parse_json(content)
    expected = (
        f"{path}: expected annotations in COCO's format, an object with the lists "
        f"{', '.join(_LISTS)}"
    )
    if isinstance(document, list):
        raise DatasetError(
            f"{expected}, but found a list, as files of results are; give the file of "
            "the ground truth."
        )
    if not isinstance(document, dict):
        raise DatasetError(f"{expected}, but found {type(document).__name__}.")
    missing = [x for x in _LISTS if not isinstance(document.get(x), list)]
    if missing:
        raise DatasetError(
            f"{expected}, but it has no list of {' and none of '.join(missing)}; "
            "classes are of no matter, so one category is enough."
        )
    for name in ("images", "annotations"):
        if not document[name]:
            raise DatasetError(f"{expected}, but its list of {name} is empty.")
    first = document["annotations"][0]
    if isinstance(first, dict) and "segments_info" in first:
        raise DatasetError(
            f"{expected}, but its annotations are panoptic ones; give the file of "
            "instances, or score the dataset coco."
        )
    return document, hashlib.sha256(content).hexdigest()


def _read_images(
    images: Sequence[Any],
    path: Path,
    folder: Path,
    places: Callable[[str], Sequence[str]],
) -> _Images:
    """The images that a file lists, by their ids, wherever they lie."""
    found: _Images = {}
    problems: list[str] = []
    for number, image in enumerate(images):
        try:
            if not isinstance(image, dict):
                raise ValueError("expected an object with id, file_name and so on")
            image_id = integer_id(image.get("id"))
            entry = ListedImage(image_id, read_size(image), ())
            names = _names_of(image)
        except ValueError as error:
            what = image.get("id") if isinstance(image, dict) else None
            title = f"number {number}" if what is None else what
            problems.append(f"image {title}: {error}")
            continue
        if image["id"] in found:
            problems.append(f"image {image['id']}: the id is listed twice")
        file = _find(folder, [place for name in names for place in places(name)])
        title = str(PurePosixPath(names[0]).with_suffix(""))
        found[image["id"]] = Pair(title, file, path, entry)
    counts = collections.Counter(pair.name for pair in found.values())
    problems += [
        f"{name}: {count} images have this name"
        for name, count in counts.items()
        if count > 1
    ]
    stop_at(problems, where=path, advice="Mend the list of images")
    return found


def _names_of(image: dict[str, Any]) -> list[str]:
    """The names that an image may have in its folder.

    Raises:
      ValueError: it has none, or one that leads out of the folder.
    """
    url = image.get("coco_url")
    names = [image.get("file_name")]
    if isinstance(url, str):
        names.append("/".join(url.split("/")[-2:]))
    texts = [name for name in names if isinstance(name, str) and name]
    if not texts:
        raise ValueError("expected a file_name (or a coco_url), but there is none")
    for text in texts:
        inner = PurePosixPath(text)
        if inner.is_absolute() or ".." in inner.parts or not inner.name:
            raise ValueError(
                f"expected the name of a file in the folder, but found {text!r}"
            )
    return texts


def _find(folder: Path, names: Sequence[str]) -> Path:
    """The file of one of these names, with or without its folder, else the first."""
    paths = [folder / name for name in names]
    paths += [folder / PurePosixPath(name).name for name in names]
    return next((path for path in paths if path.is_file()), paths[0])


def _read_objects(
    annotations: list[Any], path: Path, images: _Images, chosen: set[str]
) -> dict[str, list[ListedObject]]:
    """The objects of the chosen images, by their names.

    The list is emptied, for that of LVIS fills a gigabyte.
    """
    objects: dict[str, list[ListedObject]] = {name: [] for name in chosen}
    problems: list[str] = []
    empty: list[str] = []
    clipped: list[str] = []
    ids: set[Any] = set()
    for title, annotation in _titled(annotations):
        try:
            pair = _image_of(annotation, ids, images)
            if pair.name not in chosen:
                continue
            listed = read_object(annotation, pair.note.size)
        except ValueError as error:
            problems.append(f"annotation {title}: {error}")
            continue
        objects[pair.name].append(listed)
        if not listed.pixels:
            empty.append(title)
        if listed.clipped:
            clipped.append(title)
    stop_at(problems, where=path, advice="Mend these annotations, or leave them out")
    if not any(not x.crowd for listed in objects.values() for x in listed):
        crowds = sum(map(len, objects.values()))
        what = f"all {crowds} annotations are crowds" if crowds else "there is none"
        raise DatasetError(
            f"{path}: expected at least one object (iscrowd 0) in the "
            f"{len(chosen)} images, but {what}; nothing could be found."
        )
    for titles, notice in ((clipped, _CLIPPED), (empty, _EMPTY)):
        if titles:
            named = f"{', '.join(titles[:_NAMED])}{', ...' * (len(titles) > _NAMED)}"
            _log.warning(notice, path, len(titles), named)
    return objects


def _titled(annotations: list[Any]) -> Iterator[tuple[str, Any]]:
    """Annotations by their ids or, where they have none, by their numbers."""
    few = len(annotations) < _MANY_MASKS or None
    bar = tqdm(range(len(annotations)), desc="masks", unit="mask", disable=few)
    for index in bar:
        annotation, annotations[index] = annotations[index], None
        has_id = isinstance(annotation, dict) and "id" in annotation
        yield str(annotation["id"]) if has_id else f"number {index}", annotation


def _image_of(annotation: Any, ids: set[Any], images: _Images) -> Pair:
    """The image of an annotation, whose id is added to those seen.

    Raises:
      ValueError: it has no id or one that was seen, or its image is not listed.
    """
    if not isinstance(annotation, dict):
        raise ValueError("expected an object with id, image_id and segmentation")
    own, image_id = annotation.get("id"), annotation.get("image_id")
    if type(own) not in (int, str):
        raise ValueError("expected an integer or a text as id, but there is none")
    if own in ids:
        raise ValueError("the id is listed twice")
    ids.add(own)
    if type(image_id) not in (int, str) or image_id not in images:
        raise ValueError(f"is of image {image_id!r}, which is not listed")
    return images[image_id]
