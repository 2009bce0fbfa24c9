"""SA-1B as it is published: a JSON file with the masks beside every image."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uhseg_jax.datasets.listed import (
    ListedImage,
    ListedSource,
    changed,
    integer_id,
    read_object,
    read_size,
    require_sizes,
)
from uhseg_jax.datasets.pairs import MANY, Pair, find_pairs, read_names
from uhseg_jax.datasets.source import DatasetError, reading, stop_at
from uhseg_jax.files import parse_json
from uhseg_jax.images import PathLike, natural_order, read_file

__all__ = ["Sa1bSource"]


class Sa1bSource(ListedSource):
    """Images with a JSON file of the same name each (Kirillov et al., ICCV 2023).

    A file holds ``image`` (image_id, width, height, file_name) and ``annotations``, of
    which the ``segmentation`` is read, run lengths of COCO. There are no classes and no
    crowds. Images come by name. Every file is looked at when the source is made, and
    read again with its image, so memory holds one image's masks.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: of the labels: background 0 and object 1.
    """

    def __init__(
        self,
        images: PathLike,
        annotations: PathLike | None = None,
        *,
        names: Sequence[str] | PathLike | None = None,
        name: str = "sa1b",
    ):
        """Finds the pairs and looks at every file of annotations.

        Args:
          images: folder of images, searched with the folders below it.
          annotations: folder of JSON files of the same structure; by default that of
            the images.
          names: the images to take, without suffixes, in this order: a list, or a text
            file with one name a line. By default all.
          name: what to call the dataset.

        Raises:
          DatasetError: a folder is missing or empty, images and files do not pair, a
            file is not as it should be, sizes differ, ids repeat, or there is no
            object. The message names the first 16 problems and counts the rest.
        """
        self.name = name
        folder = Path(images)
        where = folder if annotations is None else f"{folder} and {annotations}"
        if isinstance(names, (str, os.PathLike)):
            names = read_names(names)
        if names is not None and len(names) == 0:
            raise DatasetError(
                f"{where}: the list of names is empty; name at least one image."
            )
        pairs = find_pairs(
            folder,
            folder if annotations is None else Path(annotations),
            names=names,
            mask_endings=(".json",),
        )
        if names is None:
            pairs.sort(key=lambda pair: natural_order(pair.name))
        self._pairs = self._looked_at(pairs, where)
        require_sizes(self._pairs, where=where)

    def _looked_at(self, pairs: Sequence[Pair], where: object) -> list[Pair]:
        """The pairs with the ids and sizes of their images; keeps digests."""
        problems: list[str] = []
        found: list[Pair] = []
        owners: dict[int, str] = {}
        self._digests: list[str] = []
        count = 0
        few = len(pairs) < MANY or None
        for pair in tqdm(pairs, desc="masks", unit="image", disable=few):
            try:
                listed, digest = _read(pair.mask)
            except DatasetError as error:
                problems.append(str(error))
                continue
            if listed.image_id in owners:
                problems.append(
                    f"{pair.mask}: has the image_id {listed.image_id} of "
                    f"{owners[listed.image_id]}"
                )
            owners[listed.image_id] = pair.name
            count += len(listed.listed)
            empty = ListedImage(listed.image_id, listed.size, ())
            found.append(Pair(pair.name, pair.image, pair.mask, empty))
            self._digests.append(digest)
        stop_at(problems, where=where, advice="Use the original files")
        if not count:
            raise DatasetError(
                f"{where}: expected at least one object in the {len(found)} images, "
                "but there is none; nothing could be found."
            )
        return found

    def _annotations_digest(self) -> str:
        return hashlib.sha256("\n".join(self._digests).encode()).hexdigest()

    def _listed(self, index: int) -> ListedImage:
        path = self._pairs[index].mask
        listed, digest = _read(path)
        if digest != self._digests[index]:
            raise changed(path)
        return listed


def _read(path: Path) -> tuple[ListedImage, str]:
    """What a file says of its image, and the digest of its bytes.

    Raises:
      DatasetError: it is none of SA-1B's.
    """
    with reading(path, "the masks of an image as SA-1B lists them (JSON)"):
        content = read_file(path)
        document = parse_json(content)
    problems: list[str] = []
    try:
        listed = _parsed(document, problems)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}.") from error
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DatasetError(f"{path}: {problems[0]}{more}")
    return listed, hashlib.sha256(content).hexdigest()


def _parsed(document: Any, problems: list[str]) -> ListedImage:
    """The image; problems of its annotations are added to those given."""
    image = document.get("image") if isinstance(document, dict) else None
    annotations = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(image, dict) or not isinstance(annotations, list):
        raise ValueError(
            "expected an object with image and annotations, as SA-1B has them, but "
            "found none; a COCO file of many images is given by its own name"
        )
    image_id, size = integer_id(image.get("image_id")), read_size(image)
    ids: set[Any] = set()
    objects = []
    for number, annotation in enumerate(annotations):
        title = f"number {number}"
        try:
            if not isinstance(annotation, dict):
                raise ValueError("expected an object with a segmentation")
            own = annotation.get("id")
            if type(own) in (int, str):
                title = str(own)
                if own in ids:
                    raise ValueError("the id is listed twice")
                ids.add(own)
            objects.append(read_object(annotation, size))
        except ValueError as error:
            problems.append(f"annotation {title}: {error}")
    return ListedImage(image_id, size, tuple(objects))
