"""A dataset made on the fly, and what tests ask of the folders of its evaluations."""

import csv
import dataclasses
import json

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.protocols import Scoring
from uhseg_jax.taxonomy import Taxonomy

FLAT = "background = 0 background\nleft = 1\nright = 2\nborder = 255 ignore\n"


NESTED = (
    "background = 0 background\nthing\n  left = 1\n  right = 2\nvoid = 255 ignore\n"
)


class Shapes:
    """Images of coloured halves with their masks, made on the fly."""

    name = "shapes"

    def __init__(self, count=5, *, taxonomy=FLAT, fails_at=None):
        self.taxonomy = Taxonomy.parse(taxonomy)
        self.reads = []
        self._count, self._fails_at = count, fails_at

    def __len__(self):
        return self._count

    def fingerprint(self):
        return f"{self._count} shapes"

    def __getitem__(self, index):
        if index == self._fails_at:
            raise DatasetError(f"shape {index}: cannot be read; look at the file.")
        self.reads.append(index)
        rng = np.random.default_rng(index)
        middle = 20 + 5 * index
        labels = np.zeros((40 + index, 60), np.uint8)
        labels[8:, :middle], labels[8:, middle:], labels[:2] = 1, 2, 255
        if index == 3:
            labels[:] = 255  # nothing counts here
        colors = np.array([[90, 90, 90], [220, 40, 30], [20, 60, 220]])
        image = colors[labels % 255] + rng.integers(0, 25, (*labels.shape, 3))
        return Example(f"shape {index}", image.astype(np.uint8), labels)


class Annotated(Shapes):
    """The same shapes cut by two people, the second less finely."""

    def __getitem__(self, index):
        example = super().__getitem__(index)
        people = np.stack([example.labels.astype(np.int32), example.labels > 0])
        return dataclasses.replace(example, annotations=people.astype(np.uint16))


MATCHED = Scoring("hungarian", crop=42)


def read_json(path):
    return json.loads(path.read_text())


def rows(folder, name="per_image.csv"):
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {
        p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def assert_same_files(ours, theirs):
    for name in ("metrics.json", "per_image.csv", "bootstrap.npz", "curves.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
