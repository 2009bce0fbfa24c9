"""Scores against a hierarchy are those of the definitions, and bounded as stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import all_candidates, best, class_maps, first_nodes, node_masks
from trees import quadrants, region_trees

from uhseg_jax.metrics import overlap
from uhseg_jax.metrics.scales import NUM_REGIONS
from uhseg_jax.metrics.tree_overlap import TreeOverlapState, score_image
from uhseg_jax.taxonomy import Taxonomy

NESTED = Taxonomy.parse(
    """
background = 0 background
sky = 1 background
animal
  dog = 2
    head = 3
    body = 4
  cat = 5
car = 6
void = 255 ignore
"""
)
FLAT = Taxonomy.parse("void = 255 ignore\nnone = 0 background\na = 1\nb = 2\nc = 3\n")


def _walk_up(parents, node):
    path = []
    while node != -1:
        path.append(int(node))
        node = parents[node]
    return path


def _oracle(tree, classes, hierarchy, nodes):
    """Both coverings by some nodes, by masks and paths."""
    masks = node_masks(tree, classes >= 0)
    regions = {}
    for node in range(len(hierarchy.names)):
        members = np.flatnonzero(hierarchy.members[:, node])
        region = np.isin(classes, members)
        if region.any():
            regions[node] = region
    found = {g: best(masks, r, nodes) for g, r in regions.items()}
    flat, weighted = [], []
    for node, (match, score) in found.items():
        ancestors = _walk_up(hierarchy.parents, node)
        above_match = _walk_up(tree.parents, match)
        kept = [a for a in ancestors if found[a][0] in above_match]
        flat.append(score)
        weighted.append(score * len(kept) / len(ancestors))
    return np.mean(flat), np.mean(weighted)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), tree=region_trees(max_side=12, max_splits=6))
def test_an_image_scores_as_its_masks_do(data, tree):
    hierarchy = NESTED.hierarchy()
    classes = data.draw(class_maps(tree.labels.shape, num_classes=6))
    found = score_image(tree, classes, hierarchy)
    if not (classes >= 0).any():
        assert found.is_empty
        return
    both = np.transpose([found.nmcovering_at, found.nhcovering_at])
    for k, at in zip(NUM_REGIONS, both, strict=True):
        nodes = first_nodes(tree, k)
        assert at == pytest.approx(_oracle(tree, classes, hierarchy, nodes), abs=1e-12)
    expected = _oracle(tree, classes, hierarchy, all_candidates(tree))
    assert (found.nmcovering, found.nhcovering) == pytest.approx(expected, abs=1e-12)
    assert found.nhcovering <= found.nmcovering


@settings(max_examples=30, deadline=None)
@given(data=st.data(), tree=region_trees(max_side=12))
def test_on_flat_labels_all_coverings_are_one(data, tree):
    classes = data.draw(class_maps(tree.labels.shape, num_classes=4))
    found = score_image(tree, classes, FLAT.hierarchy())
    expected = overlap.score_image(tree, classes, num_classes=4)
    both = [found.nmcovering, found.nhcovering]
    assert both == pytest.approx([expected.nmcovering] * 2, nan_ok=True, abs=1e-15)
    tallies = TreeOverlapState.empty(4).update(found).compute()
    state = overlap.OverlapState.empty(4).update(expected).compute()
    for name in ("miou", "pacc", "macc", "fiou"):
        assert tallies[f"tree_{name}"] == pytest.approx(state[name], nan_ok=True)


HALVES = Taxonomy.parse("left\n  top = 1\n  bottom = 2\nright\n  up = 3\n  down = 4\n")


def test_a_tree_that_is_the_hierarchy_scores_one():
    taxonomy, tree = HALVES, quadrants()
    classes = taxonomy.flat().encode(tree.labels - 2)
    image = score_image(tree, classes, taxonomy.hierarchy())
    assert (image.nmcovering, image.nhcovering) == (1, 1)
    scores = TreeOverlapState.empty(6).update(image).compute()
    assert scores["tree_miou"] == scores["tree_pacc"] == scores["nhcovering"] == 1


def test_a_part_found_outside_its_whole_loses_half():
    # The tree pairs top with up and bottom with down: no node holds the left half, so
    # the halves match nodes that hold only one of their parts.
    taxonomy, rows = HALVES, quadrants()
    classes = taxonomy.flat().encode(rows.labels - 2)
    swapped = np.choose(rows.labels - 3, [3, 5, 4, 6])
    tree = type(rows)(swapped, rows.parents, rows.num_nodes, rows.depths, rows.costs)
    image = score_image(tree, classes, taxonomy.hierarchy())
    # left and right match a quarter each (1/2, of two equal ones the lower id).
    assert image.nmcovering == pytest.approx((4 * 1 + 2 * 0.5) / 6)
    assert image.nhcovering == pytest.approx((2 * 1 + 2 * 0.5 + 2 * 0.5) / 6)


def test_merged_states_are_the_state_of_all():
    rng = np.random.default_rng(0)
    hierarchy = NESTED.hierarchy()
    empty = TreeOverlapState.empty(len(hierarchy.names))
    images = [
        score_image(quadrants(), rng.integers(-1, 6, (8, 12)), hierarchy)
        for _ in range(5)
    ] + [score_image(quadrants(), np.full((8, 12), -1), hierarchy)]
    whole = parts = empty
    for image in images:
        whole = whole.update(image)
        parts = empty.update(image).merge(parts)
    assert whole.compute() == parts.compute()
    assert whole.compute()["images"] == 5
    assert whole.compute()["skipped"] == 1
    with pytest.raises(ValueError, match="same classes"):
        whole.merge(TreeOverlapState.empty(2))
    names = {
        f"{x}_at_{k}" for x in ("tree_nmcovering", "nhcovering") for k in NUM_REGIONS
    }
    assert set(images[0].row()) == {"tree_nmcovering", "nhcovering", *names}
    row, whole = images[0].row(), empty.update(images[0]).compute()
    assert row == pytest.approx({name: whole[name] for name in row}, abs=1e-11)
