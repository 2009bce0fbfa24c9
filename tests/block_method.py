"""A method that sees pixels: four blocks of the image, whose colours count as well.

The two on the right are so narrow that no patch of an image of ordinary size has its
centre there, and the last pixel belongs to the first block.
"""

import dataclasses
import os
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones import PatchRequest, load_backbone
from uhseg_jax.hierarchy.tree import NO_PARENT, RegionTree
from uhseg_jax.images import ImageError
from uhseg_jax.methods.method import ImageMethod
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement.config import resolve_refinement
from uhseg_jax.refinement.labels import resize_labels

LEAVES = np.array([3, 4, 5, 6], np.int32)
DAMAGED, HUGE = 66, 67  # first bytes of images that cannot be prepared


@dataclasses.dataclass(frozen=True)
class Config:
    request: PatchRequest = PatchRequest(grid=6)


@dataclasses.dataclass(frozen=True)
class Blocks:
    labels: np.ndarray
    graph: dict[str, np.ndarray]


class Output(NamedTuple):
    tree: RegionTree
    leaves: jax.Array


def blocks(height, width):
    """The block of every pixel."""
    rows = np.arange(height) >= 0.4 * height
    columns = np.arange(width) >= width - 2
    labels = (2 * rows[:, None] + columns[None, :]).astype(np.int32)
    labels[-1, -1] = 0
    return labels


def prepare(image, grid, config):
    if image[0, 0, 0] == DAMAGED:
        raise ImageError("the first pixel is damaged; mend it.")
    if image[0, 0, 0] == HUGE:
        raise MemoryError
    labels = blocks(*image.shape[:2])
    means = [image[labels == i].mean() if (labels == i).any() else 0 for i in range(4)]
    patches = resize_labels(labels, grid)
    return Blocks(labels, {"means": np.array(means, np.float32), "patches": patches})


def segment(features, config, graph=None):
    """Rows first, then columns; costs of the features and of the colours."""
    rows, columns = features.shape[:2]
    if graph is None:
        patches = resize_labels(
            np.arange(4, dtype=np.int32).reshape(2, 2), (rows, columns)
        )
        graph = {"means": jnp.zeros(4), "patches": jnp.asarray(patches)}
    energies = jnp.mean(features**2, axis=-1)
    costs = jnp.zeros(4).at[graph["patches"]].max(energies) + graph["means"]
    costs = costs / (1 + costs)
    upper = jnp.array([0.0, 0.1, 0.1])
    tree = RegionTree(
        labels=jnp.asarray(LEAVES)[graph["patches"]],
        parents=jnp.array([NO_PARENT, 0, 0, 1, 1, 2, 2], jnp.int32),
        num_nodes=jnp.asarray(7, jnp.int32),
        depths=jnp.array([0, 1, 1, 2, 2, 2, 2], jnp.int32),
        costs=jnp.concatenate([upper, costs]),
    )
    return Output(tree, jnp.asarray(LEAVES))


METHOD = ImageMethod(
    name="blocks",
    summary="four blocks of an image",
    config=Config,
    presets={"default": Config},
    segment_fn=segment,
    check_fn=lambda features: None,
    refiner="none",
    prepare_fn=prepare,
)


def segmenter(refine: Any = "none", mesh=None):
    refinement = resolve_refinement(refine)
    return Segmenter(load_backbone("dinov2_test"), METHOD, Config(), refinement, mesh)


def photos(count):
    rng = np.random.default_rng(0)
    sizes = [(40 + 9 * i, 70 - 3 * i, 3) for i in range(count)]
    return [rng.integers(80, 256, size, np.uint8) for size in sizes]


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        for x, y in ((one.tree, other.tree), (one.grid, other.grid)):
            jax.tree.map(np.testing.assert_array_equal, x, y)


def run_on_devices(count):
    """This file as a script, in a process with so many devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} "
    flags += f"--xla_force_host_platform_device_count={count}"
    return subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


if __name__ == "__main__":
    devices = jax.devices()
    shared = segmenter(mesh=jax.sharding.Mesh(np.array(devices), ("data",)))
    # Fewer images than devices, and more; then one that stops a batch.
    for images in (photos(3), photos(len(devices) + 2)):
        assert_same(shared(images), segmenter()(images))
    images[2][0, 0] = DAMAGED
    found = shared.segment(range(len(images)), images)
    assert_same([next(found), next(found)], segmenter()(images[:2]))
    try:
        next(found)
    except ImageError:
        print(len(devices), "devices are as one")
