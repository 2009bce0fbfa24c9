"""A folder of images and a folder of masks, scored as they lie there."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from uhseg_jax.datasets.identity import contents_of, fingerprint_of
from uhseg_jax.datasets.image_files import read_pixels
from uhseg_jax.datasets.masks import read_mask
from uhseg_jax.datasets.pairs import find_pairs, read_names, require_sizes
from uhseg_jax.datasets.source import DatasetError, Example, reading, stop_at
from uhseg_jax.images import PathLike, natural_order, read_file
from uhseg_jax.taxonomy import Case, Taxonomy

__all__ = ["FolderSource"]

_BACKGROUND, _IGNORE = 0, 255  # of the taxonomy that is made where none is given
_ONLY_IGNORED = """{where}: the masks hold no ids but 0 and 255, and 255 stands for \
pixels that are ignored unless a taxonomy says otherwise: no object would be scored. \
If 255 is a class, write these two lines into a text file and give it with --taxonomy:
  background = 0 background
  object = 255
If 255 is indeed to be ignored, the second line is: void = 255 ignore"""


class FolderSource:
    """Images and index masks in two folders, paired by their names.

    ``images/a/b.jpg`` and ``masks/a/b.png`` are the pair ``a/b``; the order is that of
    the names, frame_2 before frame_10. Masks are palette PNGs or grey ones of up to 16
    bits; colour masks are refused. Missing masks and images and differing sizes are
    found when the source is made, ids that the taxonomy does not know when a mask is
    read.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: what the ids in the masks are.
    """

    def __init__(
        self,
        images: PathLike,
        masks: PathLike,
        *,
        taxonomy: Taxonomy | PathLike | None = None,
        names: Sequence[str] | PathLike | None = None,
        name: str = "folder",
    ):
        """Finds the pairs and checks their sizes.

        Args:
          images: folder of images, searched with the folders below it.
          masks: folder of masks of the same structure, suffix ``.png``.
          taxonomy: the label hierarchy or its file. By default all masks are read once:
            id 0 is background, 255 is ignored, and every other id that occurs is a
            foreground class named after its number. Masks of 0 and 255 alone are
            refused, for there 255 is more often an object.
          names: the pairs to take, in this order: a list, or a text file with one name
            a line (VOC's ImageSets). By default all.
          name: what to call the dataset.

        Raises:
          DatasetError: a folder is missing or empty, images and masks do not pair,
            sizes differ, the list of names is missing, empty or repeats itself (the
            message names the first 16 files and counts the rest), the taxonomy file
            cannot be read, or there is none and all masks hold 0 and 255 only.
          TaxonomyError: the taxonomy file is not well formed.
        """
        self.name = name
        self._where = f"{images} and {masks}"
        if isinstance(names, (str, os.PathLike)):
            names = read_names(names)
        if names is not None and len(names) == 0:
            raise DatasetError(
                f"{self._where}: the list of names is empty; name at least one pair."
            )
        self._contents: list[tuple[str, ...]] | None = None
        self._pairs = find_pairs(Path(images), Path(masks), names=names)
        if names is None:
            self._pairs.sort(key=lambda pair: natural_order(pair.name))
        require_sizes(self._pairs, where=self._where)
        if taxonomy is None:
            taxonomy = self._scan()
        elif not isinstance(taxonomy, Taxonomy):
            what = "a text file with the label hierarchy of the masks"
            with reading(taxonomy, what, advice="mend it", errors=OSError):
                taxonomy = Taxonomy.load(taxonomy)
        self.taxonomy: Taxonomy = taxonomy

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self._pairs)

    def fingerprint(self) -> str:
        """Of the names, and of the bytes of the files, which are read once for it.

        From then on `__getitem__` refuses files that are others by now.

        Raises:
          DatasetError: a file cannot be read.
        """
        if self._contents is None:
            self._contents = contents_of(self._pairs)
        return fingerprint_of(self._pairs, self._contents)

    def __getitem__(self, index: int) -> Example:
        """Reads the pair at a position.

        Raises:
          IndexError: there is no such position.
          DatasetError: a file cannot be read, the mask holds colours, it has ids that
            the taxonomy does not know, or the pair has changed (`fingerprint`).
        """
        pair = self._pairs[index]
        # Read once, so that what is known is what is decoded.
        image, mask = _content(pair.image), _content(pair.mask)
        found = tuple(hashlib.sha256(x).hexdigest() for x in (image, mask))
        if self._contents is not None and found != self._contents[index]:
            raise DatasetError(
                f"{pair.name}: the image or its mask has changed since the evaluation "
                "began; begin again when the files are as they should be."
            )
        labels = read_mask(pair.mask, content=mask)
        pixels = read_pixels(pair.image, labels.shape, content=image)
        try:
            self.taxonomy.flat().encode(labels)
        except ValueError as error:
            raise DatasetError(f"{pair.mask}: {error}") from error
        return Example(pair.name, pixels, labels)

    def _scan(self) -> Taxonomy:
        """The taxonomy of the ids that occur; see ``taxonomy`` above."""
        found: set[int] = set()
        problems = []
        for pair in tqdm(self._pairs, desc="ids", unit="mask", disable=None):
            try:
                found.update(np.unique(read_mask(pair.mask)).tolist())
            except DatasetError as error:
                problems.append(str(error))
        stop_at(problems, where=self._where, advice="Replace these masks")
        classes = sorted(found - {_BACKGROUND, _IGNORE})
        if not classes and _IGNORE in found:
            raise DatasetError(_ONLY_IGNORED.format(where=self._where))
        return Taxonomy.from_rows(
            [
                ("background", _BACKGROUND, Case.BACKGROUND, 0),
                *((f"class {i}", i, Case.FOREGROUND, 0) for i in classes),
                ("ignored", _IGNORE, Case.IGNORE, 0),
            ]
        )


def _content(path: Path) -> bytes:
    with reading(path, "a file of the dataset", advice="put it back"):
        return read_file(path)
