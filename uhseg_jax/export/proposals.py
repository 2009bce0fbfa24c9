"""Proposals as COCO results: masks with scores, the likeliest objects first.

One list for all images, with the fields of a result and no others:

    image_id      1, 2, ... in the order of the images, as in coco.json of the same run
    category_id   1, the one that coco.json gives to regions
    segmentation  the mask, as compressed RLE
    score         see `hierarchy.proposals`, in [0, 1]

``COCO("coco.json").loadRes("proposals.json")`` opens it. Boxes are left out: with them
pycocotools takes the area of the box for that of the mask.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from uhseg_jax.export.exporter import for_the_run
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.run_lengths import compress, counts_of, runs_of

__all__ = ["PROPOSALS", "open_proposals", "results_of"]


def results_of(result: Result, options: ExportOptions) -> list[str]:
    """The proposals of an image in JSON, each without its image and the first brace."""
    tree, _ = result.pruned(options)
    found = tree.proposals()
    height, width = found.pieces.shape
    pieces, lengths = runs_of(found.pieces)
    texts = []
    for contains, score in zip(found.contains, found.scores.tolist(), strict=True):
        rle = compress(counts_of(contains[pieces], lengths), (height, width))
        fields = {
            "category_id": 1,
            "segmentation": {
                "size": [height, width],
                "counts": rle["counts"].decode("ascii"),
            },
            "score": score,
        }
        texts.append(json.dumps(fields, allow_nan=False)[1:])
    return texts


@contextlib.contextmanager
def open_proposals(path: Path, options: ExportOptions) -> Iterator["_ResultsWriter"]:
    """Writes one file of results for many images, one image in memory at a time.

    It is whole when the block has ended without an exception.
    """
    del options
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n")
        yield _ResultsWriter(file)
        file.write("\n]\n")


class _ResultsWriter:
    """Adds the proposals of images to an open file."""

    def __init__(self, file: TextIO):
        self._file = file
        self._num_images = 0
        self._is_empty = True

    def is_there(self, result: Result) -> bool:
        """See `FileWriter.is_there`."""
        del result
        return False

    def put(self, name: str, content: list[str]) -> None:
        """Writes the proposals of the next image."""
        del name
        self._num_images += 1
        texts = [f'{{"image_id": {self._num_images}, {text}' for text in content]
        if texts:
            self._file.write(("" if self._is_empty else ",\n") + ",\n".join(texts))
            self._is_empty = False


PROPOSALS = for_the_run(
    "proposals",
    "proposals.json, up to 1,000 masks of each image with scores, as COCO results",
    "proposals.json",
    results_of,
    open_proposals,
    needs_pixels=False,
)
