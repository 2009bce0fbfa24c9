"""A small method, photographs of blocks, and the commands in processes of their own.

One size and one config serve all tests of runs, so that they compile once.
"""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image

from uhseg_jax.backbones import PatchRequest
from uhseg_jax.cli import evaluate, segment
from uhseg_jax.methods import METHODS, recursive_spectral

CONFIG = dataclasses.replace(
    recursive_spectral.two_way(),
    request=PatchRequest(grid=6, blocks=(-1,)),
    num_superpixels=12,
    num_vectors=4,
    max_ncut=1.0,
)
# As CONFIG, for commands that take no config.
PRESET = (
    *("--method=recursive_spectral", "--preset=small"),
    *("--model=dinov2_test", "--refine=upsample"),
)
METHODS["recursive_spectral"].presets["small"] = lambda: CONFIG


def photograph(path, *, seed=0, size=(40, 30)):
    """Four blocks of random colours, so that there is something to divide."""
    rng = np.random.default_rng(seed)
    blocks = Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks.resize(size, Image.Resampling.NEAREST).save(path)
    return path


def photographs_with_masks(folder, count):
    """Photographs in images/ and masks of three stripes in masks/."""
    (folder / "masks").mkdir()
    mask = Image.fromarray(np.arange(30, dtype=np.uint8)[:, None].repeat(40, 1) // 10)
    for i in range(count):
        photograph(folder / "images" / f"{i:02}.png", seed=i)
        mask.save(folder / "masks" / f"{i:02}.png")
    return folder


def objects_of_photographs(folder, count):
    """Writes the two lower blocks of every photograph as a list of objects, COCO's."""
    listed = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "x"}]}
    for i in range(count):
        image = {"id": i + 1, "file_name": f"{i:02}.png", "height": 30, "width": 40}
        listed["images"].append(image)
        for left in (0, 20):
            outline = [left, 15, left + 20, 15, left + 20, 30, left, 30]
            number = len(listed["annotations"]) + 1
            one = {"id": number, "image_id": i + 1, "category_id": 1, "iscrowd": 0}
            one |= {"segmentation": [outline], "area": 300, "bbox": [left, 15, 20, 15]}
            listed["annotations"].append(one)
    path = folder / "objects.json"
    path.write_text(json.dumps(listed), encoding="utf-8")
    return path


def start(command, *arguments, devices=1):
    """Starts "segment" or "evaluate" with the small preset in a process."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    flags += " --xla_backend_optimization_level=0"
    return subprocess.Popen(
        [sys.executable, __file__, command, *PRESET, *map(str, arguments)],
        env={**os.environ, "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes):
    """Waits for processes that must succeed."""
    for process in processes:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said


if __name__ == "__main__":
    main = {"segment": segment.main, "evaluate": evaluate.main}[sys.argv[1]]
    sys.exit(main([f"uhseg-{sys.argv[1]}", *sys.argv[2:]]))
