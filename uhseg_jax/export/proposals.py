"""Proposals as COCO results: masks with scores, the likeliest objects first.

One list for all images, with the fields of a result and no others:

    image_id      1, 2, ... in the order of the images, as in coco.json of the same run
    category_id   that of the class "region" in coco.json; where all of its classes
                  are called something else, the number after them
    segmentation  the mask, as compressed RLE
    score         see `hierarchy.proposals`, in [0, 1]

``COCO("coco.json").loadRes("proposals.json")`` opens it. Above 500 images there are
``proposals/0001.json`` and so on, each for the file of its name in ``coco``. Boxes are
left out: with them pycocotools takes the area of the box for that of the mask.
"""

import json
from pathlib import Path

from uhseg_jax.export.exporter import FileOfTheRun
from uhseg_jax.export.parts import Spool, for_the_run_in_parts, joined
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.run_lengths import compress, counts_of, runs_of

__all__ = ["PROPOSALS", "ProposalsWriter", "results_of"]


def results_of(result: Result, options: ExportOptions) -> list[str]:
    """The proposals of an image in JSON, each without its image and the first brace."""
    tree, _ = result.pruned(options)
    names = [*options.class_names(), "region"]
    category = names.index("region") + 1
    found = tree.proposals()
    height, width = found.pieces.shape
    pieces, lengths = runs_of(found.pieces)
    texts = []
    for contains, score in zip(found.contains, found.scores.tolist(), strict=True):
        rle = compress(counts_of(contains[pieces], lengths), (height, width))
        fields = {
            "category_id": category,
            "segmentation": {
                "size": [height, width],
                "counts": rle["counts"].decode("ascii"),
            },
            "score": score,
        }
        texts.append(json.dumps(fields, allow_nan=False)[1:])
    return texts


class ProposalsWriter(FileOfTheRun):
    """Numbers images, and writes files of their proposals.

    Args:
      folder: where proposals wait.
      options: of the run.
    """

    def __init__(self, folder: Path, options: ExportOptions):
        del options
        self._spool = Spool(folder)

    def __len__(self) -> int:
        return len(self._spool)

    def add(self, content: list[str]) -> None:
        """Takes the proposals of the next image."""
        texts = (f'{{"image_id": {len(self) + 1}, {text}' for text in content)
        self._spool.add(",\n".join(texts))

    def write(self, path: Path, which: range) -> None:
        """See `PartsWriter.write`."""
        with open(path, "w", encoding="utf-8") as file:
            file.write("[\n")
            file.writelines(joined(self._spool.texts(which)))
            file.write("\n]\n")

    def close(self) -> None:
        """See `PartsWriter.close`."""
        self._spool.close()


PROPOSALS = for_the_run_in_parts(
    "proposals",
    "proposals.json, up to 1,000 masks of each image with scores, as COCO results",
    "proposals.json",
    "proposals/{part}.json",
    results_of,
    ProposalsWriter,
    needs_pixels=False,
    holds_regions=False,
)
