import dataclasses
import inspect
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import make_tree, on_device, quadrants, random_tree, region_trees

from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import NO_PARENT, RegionTree, TreeFileError

few = settings(max_examples=25, deadline=None)


def reference_cut(tree, num_regions):
    """Opens the split of lowest cost again and again, in plain Python."""
    count = int(tree.num_nodes)
    parents = np.asarray(tree.parents)[:count]
    children = {p: np.flatnonzero(parents == p) for p in set(parents[1:].tolist())}
    shown = {0}
    split_costs = {p: np.asarray(tree.costs)[c].mean() for p, c in children.items()}
    while True:
        open_to = [p for p in shown if p in children]
        if not open_to:
            break
        lowest = min(open_to, key=lambda p: (np.float32(split_costs[p]), p))
        if len(shown) - 1 + len(children[lowest]) > num_regions:
            break
        shown = (shown - {lowest}) | set(children[lowest].tolist())
    return shown


def refines(fine, coarse):
    """Whether every region of one segmentation lies in one region of the other."""
    pairs = {
        (int(f), int(c)) for f, c in zip(fine.ravel(), coarse.ravel(), strict=True)
    }
    return len(pairs) == len(np.unique(fine))


@few
@given(
    region_trees(max_splits=12),
    st.floats(0, 1.25, width=32, allow_subnormal=False),
    st.integers(1, 12),
)
def test_the_host_says_the_same_as_a_device(tree, cost, number):
    device = on_device(tree)
    for name in ("is_leaf", "contains", "entry_ranks"):
        here, there = (getattr(x, name)() for x in (tree, device))
        assert isinstance(here, np.ndarray)
        assert here.dtype == there.dtype
        np.testing.assert_array_equal(here, there)
    costs = tree.costs[: int(tree.num_nodes)].tolist()
    criteria = [{"cost": x} for x in (cost, *costs[:3])]
    criteria += [{"num_regions": number}, {"depth": number}]
    for criterion in criteria:
        here, there = (visible_nodes(x, **criterion) for x in (tree, device))
        assert isinstance(here, np.ndarray)
        assert here.dtype == there.dtype
        np.testing.assert_array_equal(here, there)


@few
@given(region_trees())
def test_leaves_partition_and_children_partition_their_parent(tree):
    masks = tree.masks()
    parents = np.asarray(tree.parents)
    assert masks[0].all()
    assert (masks[np.asarray(tree.is_leaf())[: len(masks)]].sum(0) == 1).all()
    for node in range(len(masks)):
        children = np.flatnonzero(parents[: len(masks)] == node)
        if children.size:
            np.testing.assert_array_equal(masks[children].sum(0), masks[node])
    np.testing.assert_array_equal(tree.areas()[: len(masks)], masks.sum((1, 2)))


@few
@given(region_trees(), st.integers(1, 12))
def test_a_cut_is_what_opening_the_splits_of_lowest_cost_gives(tree, num_regions):
    cut = np.asarray(tree.cut(num_regions=num_regions))
    seen_as = visible_nodes(tree, num_regions=num_regions)
    np.testing.assert_array_equal(seen_as[tree.labels], cut)
    assert set(np.unique(cut)) == reference_cut(tree, num_regions)
    assert len(np.unique(cut)) <= num_regions
    masks = tree.masks()
    assert all((masks[node] >= (cut == node)).all() for node in np.unique(cut))


@few
@given(region_trees())
def test_cuts_are_nested_across_calls(tree):
    depths = int(np.max(tree.depths))
    for kind, values in {
        "num_regions": range(1, int(tree.num_nodes) + 1),
        "depth": range(depths + 2),
        "cost": np.linspace(0, 1.1, 7).tolist(),
    }.items():
        cuts = [np.asarray(tree.cut(**{kind: value})) for value in values]
        assert all(refines(f, c) for c, f in itertools.pairwise(cuts))
        assert not cuts[0].any()
        if kind != "cost":
            np.testing.assert_array_equal(cuts[-1], tree.labels)


@few
@given(region_trees(), st.floats(0.05, 1.0))
def test_a_cost_cut_opens_only_splits_below_it(tree, cost):
    count = int(tree.num_nodes)
    parents, costs = np.asarray(tree.parents)[:count], np.asarray(tree.costs)[:count]
    for node in np.unique(tree.cut(cost=cost)):
        while node:
            node = parents[node]
            assert costs[parents == node].mean() < np.float32(cost) + 1e-6


def test_cut_by_depth_shows_nodes_at_that_depth_or_leaves_above():
    tree = random_tree(3, num_splits=12)
    shown = np.unique(tree.cut(depth=2))
    depths, leaves = np.asarray(tree.depths), np.asarray(tree.is_leaf())
    assert all(depths[n] == 2 or (depths[n] < 2 and leaves[n]) for n in shown)


def test_a_split_that_does_not_fit_ends_the_cut():
    # The split of low cost has three parts, the other two: with four regions allowed
    # only a skip would open the latter, and then five regions would not refine four.
    labels = np.arange(3, 8)[None, :]
    parents = [-1, 0, 0, 1, 1, 1, 2, 2]
    depths, costs = [0, 1, 1, 2, 2, 2, 2, 2], [0, *[0.1] * 5, 0.5, 0.5]
    tree = make_tree(labels, parents, depths, costs)
    for num_regions, found in ((3, 2), (3.9, 2), (4, 4), (5, 5)):
        assert len(np.unique(tree.cut(num_regions=num_regions))) == found


@few
@given(region_trees(), st.integers(1, 9))
def test_pruning_keeps_what_the_cut_shows(tree, num_regions):
    pruned = tree.prune(num_regions=num_regions)
    cut = np.asarray(tree.cut(num_regions=num_regions))
    assert refines(np.asarray(pruned.labels), cut)
    assert refines(cut, np.asarray(pruned.labels))
    count = int(pruned.num_nodes)
    parents = np.asarray(pruned.parents)
    assert (parents[1:count] >= 0).all()
    assert (parents[:count] < np.arange(count)).all()
    assert (parents[count:] == NO_PARENT).all()
    for fewer in range(1, num_regions):
        a, b = (np.asarray(t.cut(num_regions=fewer)) for t in (tree, pruned))
        assert refines(a, b)
        assert refines(b, a)


def test_prune_keeps_costs_and_depths():
    tree = random_tree(1, num_splits=10, padding=5)
    pruned = tree.prune(depth=2)
    masks = {m.tobytes(): i for i, m in enumerate(tree.masks())}
    for i, mask in enumerate(pruned.masks()):
        j = masks[mask.tobytes()]
        assert pruned.depths[i] == tree.depths[j]
        assert pruned.costs[i] == tree.costs[j]


@pytest.mark.parametrize(
    ("kind", "values"),
    [("num_regions", (4, 5)), ("depth", (2, 3)), ("cost", (0.5, 0.9))],
)
def test_jit_and_vmap_equal_the_plain_call_and_compile_once(kind, values):
    trees = [random_tree(seed, num_splits=6, max_children=2) for seed in (1, 2)]

    @jax.jit
    def mapped(trees, value):
        def both(tree):
            return tree.cut(**{kind: value}), tree.prune(**{kind: value})

        return jax.vmap(both)(trees)

    stacked = jax.tree.map(lambda *x: jnp.stack(x), *trees)
    for value in values:
        cuts, pruned = mapped(stacked, value)
        for i, tree in enumerate(trees):
            np.testing.assert_array_equal(cuts[i], tree.cut(**{kind: value}))
            jax.tree.map(
                np.testing.assert_array_equal, pruned[i], tree.prune(**{kind: value})
            )
    assert mapped._cache_size() == 1


@few
@given(st.integers(1, 6), st.integers(1, 6))
def test_a_flat_tree_has_its_labels_below_one_root(num_regions, width):
    labels = np.arange(num_regions * width).reshape(width, -1) % num_regions + 1
    tree = RegionTree.flat(labels, num_regions + 1)
    np.testing.assert_array_equal(tree.labels, labels)
    np.testing.assert_array_equal(tree.parents, [-1, *[0] * num_regions])
    np.testing.assert_array_equal(tree.depths, [0, *[1] * num_regions])
    assert not tree.costs.any()
    assert int(RegionTree.flat(0 * labels, 1).num_nodes) == 1


def test_batched_trees_index_and_iterate():
    trees = [random_tree(seed, num_splits=5, max_children=2) for seed in range(3)]
    stacked = jax.tree.map(lambda *x: np.stack(x), *trees)
    assert stacked.is_batched
    assert len(stacked) == 3
    for batch in (stacked, on_device(stacked)):
        for one, other in zip(batch, trees, strict=True):
            np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(batch[-1].labels, trees[-1].labels)
        for index in (3, -4):
            with pytest.raises(IndexError, match=f"below 3.*got {index}"):
                batch[index]
    for call in (lambda: stacked.cut(depth=1), stacked.masks, stacked.to_dict):
        with pytest.raises(TypeError, match=r"expected one tree.*batch of 3"):
            call()
    with pytest.raises(TypeError, match="batch"):
        len(trees[0])


def test_cuts_are_of_the_kind_of_the_labels():
    tree = random_tree(2)
    mixed = dataclasses.replace(on_device(tree), labels=tree.labels)
    for one, kind in (
        (tree, np.ndarray),
        (mixed, np.ndarray),
        (on_device(tree), jax.Array),
    ):
        cut, pruned = one.cut(depth=2), one.prune(depth=2)
        assert isinstance(cut, kind)
        assert all(isinstance(x, kind) for x in jax.tree.leaves(pruned))
        np.testing.assert_array_equal(cut, tree.cut(depth=2))


def test_entry_ranks_follow_the_cuts():
    tree = random_tree(5, num_splits=9, padding=6)
    ranks, count = np.asarray(tree.entry_ranks()), int(tree.num_nodes)
    assert ranks[0] == 0
    assert (ranks[count:] == len(ranks)).all()
    for regions in range(1, 8):
        shown = np.unique(tree.cut(num_regions=regions))
        assert ranks[shown].max() < np.delete(ranks, shown)[
            np.isin(np.asarray(tree.parents), shown)[
                np.delete(np.arange(len(ranks)), shown)
            ]
        ].min(initial=len(ranks))


def test_to_dict_is_json_and_nested():
    tree = quadrants(4, 6)
    nested = json.loads(json.dumps(tree.to_dict()))
    assert (nested["height"], nested["width"], nested["area"]) == (4, 6, 24)

    def check(node):
        if node["children"]:
            assert sum(child["area"] for child in node["children"]) == node["area"]
        for child in node["children"]:
            assert child["depth"] == node["depth"] + 1
            check(child)

    check(nested)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "exactly one"),
        ({"depth": 1, "cost": 0.5}, "exactly one"),
        ({"num_regions": 0}, "at least 1"),
        ({"cost": -0.1}, "at least 0"),
        ({"cost": float("nan")}, "at least 0"),
        ({"num_regions": "8"}, "num_regions must be a number, but is '8'"),
        ({"depth": [1]}, r"depth must be a number, but is \[1\]"),
        ({"num_regions": np.array([8])}, "must be a number"),
    ],
)
def test_a_cut_needs_one_criterion_in_range(kwargs, words):
    for method in (RegionTree.cut, RegionTree.prune):
        with pytest.raises(ValueError, match=words):
            inspect.unwrap(method)(random_tree(0), **kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [
        *(
            {"num_regions": x}
            for x in (10**11, 10**400, float("inf"), np.int64(10**11))
        ),
        *({"depth": x} for x in (10**11, float("inf"))),
        *({"cost": x} for x in (10**400, float("inf"), np.float64(2))),
    ],
)
def test_a_criterion_beyond_the_tree_opens_all_of_it(kwargs):
    for tree in (random_tree(3), on_device(random_tree(3))):
        np.testing.assert_array_equal(tree.cut(**kwargs), tree.labels)
        assert int(tree.prune(**kwargs).num_nodes) == int(tree.num_nodes)


@few
@given(region_trees())
def test_files_round_trip_without_padding(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("trees") / "tree.npz"
    tree.save(path)
    loaded = RegionTree.load(path)
    count = int(tree.num_nodes)
    assert int(loaded.num_nodes) == len(loaded.parents) == count
    with np.load(path) as file:
        assert sorted(file.files) == ["costs", "depths", "labels", "parents"]
    for name in ("labels", "parents", "depths", "costs"):
        expected = np.asarray(getattr(tree, name))
        expected = expected if name == "labels" else expected[:count]
        np.testing.assert_array_equal(getattr(loaded, name), expected)
        assert getattr(loaded, name).dtype == expected.dtype


def test_damaged_files_are_refused_with_a_sentence(tmp_path):
    path = tmp_path / "tree.npz"
    random_tree(0).save(path)
    whole = path.read_bytes()
    np.savez(path, labels=np.array([object()]), parents=[0], depths=[0], costs=[0])
    pickled = path.read_bytes()
    for damaged in (b"", b"not a tree", whole[: len(whole) // 2], whole[:-7], pickled):
        path.write_bytes(damaged)
        with pytest.raises(TreeFileError, match=r"tree\.npz.*segment the image") as e:
            RegionTree.load(path)
        assert "allow_pickle" not in str(e.value)
        assert ("holds Python objects" in str(e.value)) == (damaged is pickled)
    with pytest.raises(FileNotFoundError):
        RegionTree.load(tmp_path / "absent.npz")
    with pytest.raises(TreeFileError, match="this is a folder") as e:
        RegionTree.load(tmp_path)
    assert "delete" not in str(e.value)


SMALL_ARRAYS = {
    "labels": np.array([[1, 1], [2, 2]], np.int32),
    "parents": np.array([-1, 0, 0], np.int32),
    "depths": np.array([0, 1, 1], np.int32),
    "costs": np.array([0, 0.2, 0.2], np.float32),
}


def test_arrays_of_other_types_are_loaded_as_those_of_a_tree(tmp_path):
    types = {
        "labels": np.uint8,
        "parents": np.int64,
        "depths": np.uint64,
        "costs": np.float64,
    }
    path = tmp_path / "tree.npz"
    np.savez(path, **{k: v.astype(types[k]) for k, v in SMALL_ARRAYS.items()})
    tree = RegionTree.load(path)
    for name, expected in SMALL_ARRAYS.items():
        assert getattr(tree, name).dtype == expected.dtype
        np.testing.assert_array_equal(getattr(tree, name), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parents": np.array([-1, 0, 2], np.int32)}, "before its child"),
        ({"parents": np.array([-1, 0, -1], np.int32)}, "only root"),
        ({"labels": np.full((2, 2), 3, np.int32)}, "beyond"),
        ({"labels": np.zeros((2, 2), np.int32)}, "has children"),
        ({"labels": np.ones((2, 2), np.float32)}, "not integers"),
        ({"costs": np.zeros(2, np.float32)}, "length"),
        ({"labels": None}, "it has no labels"),
        ({"costs": np.array(["0", "1", "2"])}, "costs are not real numbers"),
        ({"costs": np.zeros(3, np.complex64)}, "costs are not real numbers"),
        ({"costs": np.array([0, np.nan, 0], np.float32)}, "NaN or infinity"),
        ({"costs": np.array([0, 1e300, 0])}, "NaN or infinity"),
        ({"depths": np.array([0, 1, 2], np.int32)}, "depths do not follow"),
        ({"depths": np.array([1, 2, 2], np.int32)}, "depths do not follow"),
    ],
)
def test_arrays_that_are_no_tree_are_refused(tmp_path, change, words):
    arrays = SMALL_ARRAYS | change
    path = tmp_path / "tree.npz"
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(TreeFileError, match=words):
        RegionTree.load(path)
