import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from merging_reference import reference
from PIL import Image

import uhseg_jax
from uhseg_jax.backbones import PatchRequest
from uhseg_jax.hierarchy import merges
from uhseg_jax.methods import region_merging
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.superpixels import SuperpixelConfig

# Small enough for one bucket of cuts. Features of two blocks are 64 channels, as those
# of `scene`, so that both share a program.
CONFIG = region_merging.Config(
    request=PatchRequest(grid=6, blocks=(-3, -1)),
    superpixels=SuperpixelConfig(count=24, contrast_scales=(1.5,)),
    num_condensed=12,
    max_regions=8,
)
MERGING = dataclasses.replace(CONFIG, max_ncut=0.0, max_regions=30)
with_and_without_cuts = pytest.mark.parametrize(
    "config",
    [
        pytest.param(CONFIG, id="cuts"),
        pytest.param(MERGING, id="no cuts", marks=pytest.mark.slow),
    ],
)
OPTIONS = {"method": "region_merging", "model": "dinov2_test"}
COMPILATION = "/jax/core/compile/backend_compile_duration"


def scene(seed):
    """An image and features of two objects, one of them in two pieces."""
    rng = np.random.default_rng(seed)
    image = np.repeat(np.repeat(rng.integers(0, 200, (6, 6, 3)), 8, 0), 10, 1)
    image = image + rng.integers(0, 30, image.shape)
    objects = np.array([0, 0, 1, 1, 0, 0])
    features = rng.normal(size=(2, 64))[objects][None] + np.zeros((6, 1, 1))
    features[:3, :, :8] += 0.5
    features += 0.3 * rng.normal(size=features.shape)
    return image.astype(np.uint8), features.astype(np.float32)


def segmenter_of(config):
    return Segmenter.create(**OPTIONS, config=config)


@pytest.fixture(scope="module")
def segmenter():
    return segmenter_of(CONFIG)


def tree_of(segmenter, features, prepared):
    """The tree over superpixels in the place of patches."""
    found = jax.device_get(segmenter.trees(jnp.asarray(features)[None], [prepared]))[0]
    members = prepared.graph.areas > 0
    labels = np.where(members, found.leaves, found.leaves[0])[None]
    return dataclasses.replace(found.tree, labels=labels)


def partition(labels, members):
    """The regions of a flat segmentation as sets of superpixels."""
    return {frozenset(members[labels[members] == i]) for i in set(labels[members])}


@with_and_without_cuts
def test_an_independent_implementation_gives_the_same_trees(config):
    segmenter = segmenter_of(config)
    for seed in range(4):
        image, features = scene(seed)
        prepared = segmenter.prepare(image, (6, 6))
        members = np.flatnonzero(prepared.graph.areas)
        tree = tree_of(segmenter, features, prepared)
        splits = reference(features, prepared.graph, config)
        assert len(splits) == min(config.max_regions, len(members)) - 1
        assert int(tree.num_nodes) == 2 * len(splits) + 1

        regions, ranks = {frozenset(members)}, tree.entry_ranks()
        for opened, (one, other, cost, _) in enumerate(splits, start=1):
            regions = (regions - {one | other}) | {one, other}
            cut = tree.cut(num_regions=opened + 1)[0]
            assert partition(cut, members) == regions
            costs = tree.costs[ranks == opened]
            np.testing.assert_allclose(costs, [cost] * 2, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_every_node_says_whether_a_cut_or_a_merge_made_it(segmenter):
    segment = jax.jit(region_merging.segment, static_argnames="config")
    found = set()
    for seed in range(3):
        image, features = scene(seed)
        graph = segmenter.prepare(image, (6, 6)).graph
        output = jax.device_get(segment(features, CONFIG, graph))
        stages, ranks = output.stages, output.tree.entry_ranks()
        splits = reference(features, graph, CONFIG)
        for opened, (*_, stage) in enumerate(splits, start=1):
            assert (stages[ranks == opened] == stage).all()
        assert (stages[(ranks < 1) | (ranks > len(splits))] == 0).all()
        found |= {stage for *_, stage in splits}
    assert {merges.TOUCHING, merges.GROUPS} <= found


def test_an_object_in_two_pieces_is_one_region_before_it_is_parted(segmenter):
    image, features = scene(0)
    prepared = segmenter.prepare(np.full_like(image, 90), (6, 6))
    tree = tree_of(segmenter, features, prepared)
    members = np.flatnonzero(prepared.graph.areas)
    column = prepared.graph.weights @ np.tile(np.arange(6.0), 6)
    middle = (column > 1.5) & (column < 3.5)
    wanted = partition(middle, members)
    assert partition(tree.cut(num_regions=2)[0], members) == wanted


@with_and_without_cuts
def test_leaves_partition_the_superpixels_and_costs_are_in_range(config):
    segmenter = segmenter_of(config)
    for seed in range(3):
        image, features = scene(seed)
        tree = tree_of(segmenter, features, segmenter.prepare(image, (6, 6)))
        count = int(tree.num_nodes)
        assert set(np.unique(tree.labels)) == set(np.flatnonzero(tree.is_leaf()))
        children = np.bincount(tree.parents[1:count], minlength=count)
        assert set(children) == {0, 2}
        assert (tree.parents[1:count] < np.arange(1, count)).all()
        np.testing.assert_array_equal(
            tree.depths[1:count], tree.depths[tree.parents[1:count]] + 1
        )
        assert tree.costs[0] == 0
        assert ((tree.costs[1:count] > 0) & (tree.costs[1:count] < 1)).all()
        if not config.max_ncut:  # heights rise, so parts cost more than their whole
            assert (tree.costs[1:count] >= tree.costs[tree.parents[1:count]]).all()
            assert (count + 1) // 2 == len(np.unique(tree.labels))


@pytest.mark.parametrize("value", [1.0, -1e-3, 1e4])
def test_constant_features_of_a_constant_image_are_one_region(segmenter, value):
    features = np.full((6, 6, 64), value, np.float32)
    features *= np.random.default_rng(0).uniform(0.5, 1.5, 64).astype(np.float32)
    flat = segmenter.prepare(np.full((48, 60, 3), 90, np.uint8), (6, 6))
    assert int(tree_of(segmenter, features, flat).num_nodes) == 1
    tree = uhseg_jax.segment_features(features, method="region_merging", config=CONFIG)
    assert int(tree.num_nodes) == 1
    assert not tree.labels.any()


def test_colours_divide_what_features_do_not(segmenter):
    image = np.full((48, 60, 3), 90, np.uint8)
    image[:, 22:] = (200, 40, 30)
    prepared = segmenter.prepare(image, (6, 6))
    tree = tree_of(segmenter, np.ones((6, 6, 64), np.float32), prepared)
    labels = tree.cut(num_regions=2)[0][prepared.labels]
    assert labels[0, 0] != labels[0, -1]
    columns = np.where(np.arange(60) < 22, labels[0, 0], labels[0, -1])
    assert (labels == columns).mean() > 0.9


def test_pieces_that_are_alike_keep_their_parts():
    features = np.zeros((6, 6, 64), np.float32)
    features[..., 0] = 1
    features[:, 2:4, 1] = 3
    features[:, [0, 5], 2] = 0.3
    tree = uhseg_jax.segment_features(features, method="region_merging", config=CONFIG)
    assert (tree.cut(num_regions=2) == tree.cut(num_regions=2)[0]).all()
    columns = tree.labels[0]
    assert (tree.labels == columns).all()
    assert columns[2] == columns[3]
    assert len(set(columns)) == 5


def test_superpixels_may_be_cells(segmenter):
    cells = dataclasses.replace(CONFIG.superpixels, kind="grid")
    config = dataclasses.replace(CONFIG, superpixels=cells)
    images = [scene(seed)[0] for seed in range(2)]
    one, other = (region_merging.prepare(x, (6, 6), config) for x in images)
    np.testing.assert_array_equal(one.labels, other.labels)
    tree = tree_of(segmenter, scene(0)[1], one)
    assert int(tree.num_nodes) == 2 * CONFIG.max_regions - 1


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 40), (8, 3000)])
def test_images_of_any_shape(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    grey, rgb = Image.fromarray(image), np.repeat(image[..., None], 3, axis=2)
    trees = [uhseg_jax.segment(x, **OPTIONS, config=CONFIG) for x in (grey, rgb)]
    jax.tree.map(np.testing.assert_array_equal, *trees)
    leaves = np.flatnonzero(trees[0].is_leaf())
    assert trees[0].labels.shape == shape
    assert len(leaves) <= min(image.size, CONFIG.max_regions)
    assert set(np.unique(trees[0].labels)) == set(leaves)


def test_neighbours_change_nothing_and_no_size_compiles_anew(segmenter):
    images = [scene(seed)[0][: 48 - seed] for seed in range(3)]
    first = segmenter(images[:1])
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event)
    )
    try:
        single = first + [segmenter([x])[0] for x in images[1:]]
        together, again = segmenter(images), segmenter(images)
    finally:
        jax.monitoring.clear_event_listeners()
    assert COMPILATION not in compiled
    for trees in zip(single, together, again, strict=True):
        for one in trees[1:]:
            jax.tree.map(np.testing.assert_array_equal, one.tree, trees[0].tree)
            jax.tree.map(np.testing.assert_array_equal, one.grid, trees[0].grid)


@pytest.mark.slow
def test_a_batch_of_features_is_its_images_one_by_one():
    batch = np.stack([scene(seed)[1] for seed in range(2)])
    options = {"method": "region_merging", "config": CONFIG}
    together = uhseg_jax.segment_features(batch, **options)
    for one, features in zip(together, batch, strict=True):
        alone = uhseg_jax.segment_features(features, **options)
        jax.tree.map(np.testing.assert_array_equal, one, alone)
        np.testing.assert_array_equal(
            np.unique(alone.labels), np.flatnonzero(alone.is_leaf())
        )
        assert int(alone.num_nodes) == 2 * CONFIG.max_regions - 1


@pytest.mark.slow
def test_jit_and_vmap_equal_eager():
    scenes = [scene(seed) for seed in range(2)]
    features = jnp.asarray(np.stack([x for _, x in scenes]))
    graphs = [region_merging.prepare(x, (6, 6), CONFIG).graph for x, _ in scenes]

    def segment(features, graph):
        return region_merging.segment(features, CONFIG, graph)

    mapped = jax.vmap(segment)(features, jax.tree.map(lambda *x: np.stack(x), *graphs))
    for i, graph in enumerate(graphs):
        eager, jitted = (f(features[i], graph) for f in (segment, jax.jit(segment)))
        for other in (jitted, jax.tree.map(lambda x, i=i: x[i], mapped)):
            np.testing.assert_array_equal(other.leaves, eager.leaves)
            np.testing.assert_array_equal(other.tree.parents, eager.tree.parents)
            np.testing.assert_allclose(other.tree.costs, eager.tree.costs, rtol=1e-4)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (0, "zero")])
def test_features_that_have_no_direction_are_refused(value, words):
    features = np.full((6, 6, 64), value, np.float32)
    with pytest.raises(ValueError, match=words):
        uhseg_jax.segment_features(features, method="region_merging", config=CONFIG)


@pytest.mark.slow
def test_other_transformers_serve_and_diffusion_models_are_refused():
    (image, _), options = scene(0), {"method": "region_merging", "config": CONFIG}
    tree = uhseg_jax.segment(image, **options, model="dinov3_test")
    assert len(np.unique(tree.labels)) == CONFIG.max_regions
    with pytest.raises(ValueError, match="diffusion_walk"):
        uhseg_jax.segment(image, **options, model="sd_test")


@pytest.mark.slow
def test_a_large_grid_divides_where_its_features_do():
    features = np.zeros((100, 60, 4), np.float32)
    features[:40, :, 0], features[40:, :, 1] = 1, 1
    config = dataclasses.replace(CONFIG, max_regions=4)
    tree = uhseg_jax.segment_features(features, method="region_merging", config=config)
    cut = tree.cut(num_regions=2)
    assert cut.shape == (100, 60)
    assert len(np.unique(cut[:40])) == len(np.unique(cut[40:])) == 1
    assert cut[0, 0] != cut[-1, 0]


@pytest.mark.slow
def test_a_program_of_many_patches_takes_them_in_blocks():
    features = np.zeros((100, 60, 4), np.float32)
    features[:40, :, 0], features[40:, :, 1] = 1, 1
    config = dataclasses.replace(CONFIG, max_regions=4)
    segment = jax.jit(region_merging.segment, static_argnames="config")
    cut = np.asarray(segment(features, config).tree.cut(num_regions=2))
    # One row of blocks holds patches of both halves at the most.
    assert len(np.unique(cut[:39])) == len(np.unique(cut[42:])) == 1
    assert cut[0, 0] != cut[-1, 0]
