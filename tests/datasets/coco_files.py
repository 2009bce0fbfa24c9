"""Tiny files in COCO's format for instances, whole or broken in one place."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from dataset_files import HEIGHT, WIDTH, image
from pycocotools import mask as coco_mask

SQUARE = [1.0, 1.0, 5.0, 1.0, 5.0, 4.0, 1.0, 4.0]
SIZE = [HEIGHT, WIDTH]


def compressed(mask: np.ndarray) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": rle["counts"].decode()}


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    pixels = mask.ravel(order="F").astype(int)
    begins = np.flatnonzero(np.diff(pixels, prepend=0))
    counts = np.diff([0, *begins, pixels.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


def some_mask(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.4


def document() -> dict[str, Any]:
    """Three images; the first with one object of every kind, the last with none."""
    names = ("000000000009.jpg", "000000000010.jpg", "in/frame_2.jpg")
    triangle = [0.0, 0.0, 3.5, 0.0, 0.0, 3.5]
    return {
        "images": [
            {"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH}
            for i, name in zip((9, 10, 2), names, strict=True)
        ],
        "annotations": [
            annotation(1, 9, [SQUARE, triangle], area=18.125, iscrowd=0, bbox=[0] * 4),
            annotation(2, 9, compressed(some_mask(0))),  # as LVIS and SA-1B: no crowds
            annotation(3, 10, uncompressed(some_mask(1)), area=7, iscrowd=1),
            annotation(4, 10, [SQUARE], area=12.0, iscrowd=0),
            annotation(5, 9, uncompressed(some_mask(2)), area=9, iscrowd=1),
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }


def annotation(own: int, image_id: int, segmentation: Any, **others: Any) -> dict:
    return {
        "id": own,
        "image_id": image_id,
        "segmentation": segmentation,
        "category_id": 1,
        **others,
    }


def write(root: Path, listed: Any) -> tuple[Path, Path]:
    """The folder of images and the file."""
    for name in ("000000000009.jpg", "000000000010.jpg", "in/frame_2.jpg"):
        image(root / "images" / name)
    path = root / "instances.json"
    path.write_text(listed if isinstance(listed, str) else json.dumps(listed))
    return root / "images", path
