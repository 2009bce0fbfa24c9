"""Folders as an evaluation of a mean leaves them, without evaluating anything."""

import csv
import json

import numpy as np
from trees import quadrants

from uhseg_jax.datasets.source import Example
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import states
from uhseg_jax.protocols.sheets import draw_sheet, mark_of, sheet_name
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.runs import bootstrap
from uhseg_jax.taxonomy import Taxonomy

TAXONOMY = Taxonomy.parse("left = 1\nright = 2\n")


@pytree_dataclass
class Mean(states.Additive):
    """The sum of scores, and how many there are."""

    total: np.ndarray
    count: np.ndarray


def state_of(value):
    counts = not np.isnan(value)
    total = states.to_fixed_point(value if counts else 0.0)
    return Mean(total, np.asarray(int(counts)))


def compute(state, keys=("full/covering_at_2", "full/covering_at_4", "full/miou")):
    mean = float(states.mean(state.total, state.count))
    others = {"images": int(state.count), "mean_nodes": 7.25}
    return dict.fromkeys(keys, mean) | {"full/nmcovering": np.nan} | others


def resampled(values, compute=compute):
    return bootstrap.resample(compute, [state_of(x) for x in values])


def wrote(folder, values, *, names=None, drawn=(0, 2, 4), curves=True, **settings):
    """A folder as an evaluation of a mean; images of which it is NaN do not count."""
    names = names or [f"image {i}" for i in range(len(values))]
    found = resampled(values)
    metrics = compute(states.merge_all(state_of(x) for x in values))
    nulls = {k: None if np.isnan(x) else x for k, x in metrics.items()}
    record = {
        **{"kind": "evaluate", "weights_sha256": "", "dataset": "shapes"},
        **{"fingerprint": "f", "taxonomy": "t", "method": folder.name},
        **{"scoring": {"protocol": "best_region", "num_seeds": 1}},
        **{"examples": len(values), "files": {}, **settings},
    }
    curve = {"x": [0, 0.5, 1], "y": [1, None, 0.25]}
    curve |= {"x_name": "recall", "y_name": "precision"}
    texts = {"metrics.json": nulls, "run.json": record}
    texts["curves.json"] = {
        "ranked_by": "full/covering",
        "curves": {"full/boundaries": curve} if curves else {},
    }
    folder.mkdir(parents=True)
    for name, value in texts.items():
        (folder / name).write_text(json.dumps(value))
    bootstrap.write(folder / "bootstrap.npz", found)
    with open(
        folder / "per_image.csv", "w", newline="", errors="backslashreplace"
    ) as f:
        writer = csv.writer(f)
        writer.writerow(["name", "full/covering"])
        writer.writerows(zip(names, values, strict=True))
    (folder / "sheets").mkdir()
    for index in drawn:
        sheet(folder / "sheets" / sheet_name(index), names[index])
    return folder


def sheet(path, name="image", *, size=(20, 30), mark=None):
    """A drawing of an image of one grey, cut into quarters."""
    image = np.full((*size, 3), 128, np.uint8)
    labels = np.ones(size, np.uint8)
    labels[:, size[1] // 2 :] = 2
    tree = quadrants(*size)
    example = Example(name, image, labels)
    draw_sheet(
        path,
        Segmentation(tree, tree),
        example,
        TAXONOMY,
        levels=(2, 4),
        mark=mark or mark_of("settings", name),
    )
    return example, tree
