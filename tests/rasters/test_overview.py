"""Features of the whole raster, seen at once, beside those of its tiles."""

import functools

import numpy as np
from scipy.ndimage import map_coordinates

from uhseg_jax.rasters.raster_graph import graph_of_cores
from uhseg_jax.rasters.superpixels import Lattice, core_regions
from uhseg_jax.rasters.tiles import at_cells
from uhseg_jax.rasters.windows import Window
from uhseg_jax.superpixels import SuperpixelConfig


def test_an_overview_is_read_between_its_patches_at_the_centres_of_cells():
    features = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    cells = 7, 10
    numbers = np.array([0, 9, 23, 47, 69])
    rows = (numbers // 10 + 0.5) * 4 / 7 - 0.5
    columns = (numbers % 10 + 0.5) * 3 / 10 - 0.5
    want = [
        map_coordinates(features[..., i], [rows, columns], order=1, mode="nearest")
        for i in range(2)
    ]
    found = at_cells(features, cells, numbers)
    np.testing.assert_allclose(found, np.transpose(want), atol=1e-5)


def test_tiles_and_the_overview_count_alike_in_every_block():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (24, 30, 3)).astype(np.uint8)
    window = Window(0, 0, 24, 30)
    lattice = Lattice.over((24, 30), (24, 30), SuperpixelConfig(kind="grid", count=20))
    valid = np.ones((24, 30), bool)
    _, regions = core_regions(image, valid, window, window, lattice)
    numbers = regions.numbers
    sums = rng.normal(size=(len(numbers), 6)).astype(np.float16)
    features = rng.normal(size=(3, 3, 6)).astype(np.float32)
    overview = functools.partial(at_cells, features, lattice.cells)

    def blocks(rows):
        rows = np.asarray(rows, np.float64).reshape(-1, 2, 3)
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    want = (blocks(sums) + blocks(overview(numbers))).reshape(-1, 6)
    want /= np.linalg.norm(want, axis=-1, keepdims=True)
    graph = graph_of_cores(
        {(0, 0): regions}, {(0, 0): (24, 30)}, [(numbers, sums)], 2, overview
    )
    found = np.asarray(graph.vectors)
    np.testing.assert_allclose(found @ found.T, want @ want.T, atol=5e-3)
