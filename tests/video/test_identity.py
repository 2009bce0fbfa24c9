"""Ids of regions from window to window, of superpixels whose features are given."""

import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.video.carried import Carried
from uhseg_jax.video.frame_graph import FrameRegions
from uhseg_jax.video.identity import identified

THINGS = {"sea": 0, "boat": 1, "bird": 2, "dusk": 3}


def frame(things):
    """A frame of one row, each pixel a superpixel that shows one thing."""
    n = len(things)
    return FrameRegions(
        labels=np.arange(n, dtype=np.uint16)[None],
        vectors=np.eye(4, dtype=np.float16)[[THINGS[x] for x in things]],
        areas=np.full(n, 1 / n, np.float32),
        colors=np.zeros((n, 3), np.float32),
        edges=np.zeros((0, 2), np.int32),
        lengths=np.zeros(0, np.float32),
        evidence=np.zeros(0, np.float32),
    )


def stream(*windows, num_regions=4):
    """The ids of all frames, where every window's regions are the things in it."""
    carried, ids = Carried(), []
    for shown in windows:
        frames = [frame(x) for x in shown]
        labels = np.array([THINGS[y] for x in shown for y in x])
        nodes, leaves = np.unique(labels, return_inverse=True)
        tree = RegionTree.flat(leaves.astype(np.int32) + 1, nodes.size + 1)
        found = identified(carried, frames, tree, num_regions)
        ids += found.ids[len(carried.ids) :]
        carried = found.last(1)
    return [x.tolist() for x in ids], carried


def test_overlap_carries_ids_even_where_looks_change():
    sea_and_boat = ["sea", "sea", "boat"]
    (_, _, last), carried = stream(
        [sea_and_boat, sea_and_boat], [sea_and_boat, ["sea", "boat", "boat"]]
    )
    assert last[0] != last[1] == last[2]
    assert carried.next_id == 3


def test_what_comes_back_has_its_id_and_what_enters_a_new_one():
    ids, _ = stream(
        [["sea", "boat"], ["sea", "sea"]],
        [["sea", "sea"], ["sea", "bird"]],
        [["sea", "bird"], ["boat", "bird"]],
    )
    sea, boat = ids[0]
    bird = ids[2][1]
    assert len({sea, boat, bird}) == 3
    assert ids[3] == [boat, bird]


def test_nothing_takes_the_id_of_what_looks_otherwise():
    ids, _ = stream(
        [["sea", "boat"], ["sea", "sea"]], [["sea", "sea"], ["dusk", "bird"]]
    )
    assert not set(ids[2]) & set(ids[0])


def test_one_known_region_gives_its_id_to_one_of_two():
    carried = Carried()
    frames = [frame(["sea", "sea", "boat"])]
    whole = RegionTree.flat(np.array([1, 1, 1], np.int32), 2)
    carried = identified(carried, frames, whole, 4).last(1)
    parts = RegionTree.flat(np.array([1, 1, 2], np.int32), 3)
    ids = identified(carried, frames, parts, 4).ids[0]
    assert ids[0] == ids[1] == carried.ids[0][0] != ids[2]
