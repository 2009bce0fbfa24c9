"""Superpixels of frames and the graph of them."""

import numpy as np
import pytest
from color_method import METHOD

from uhseg_jax.pipeline import Segmenter
from uhseg_jax.superpixels.adjacency import find_borders
from uhseg_jax.superpixels.graph import superpixels_of
from uhseg_jax.superpixels.principal import principal
from uhseg_jax.video import FrameRegions, frame_regions, graph_of_frames
from uhseg_jax.video.time_edges import overlaps, time_lengths


def random_regions(seed, count=7, size=(8, 9), d=5):
    """Every label is there; the borders are those of the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(np.prod(size)) % count).reshape(size)
    borders = find_borders(labels)
    vectors = rng.normal(size=(count, d))
    return FrameRegions(
        labels=labels.astype(np.uint16),
        vectors=(vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float16),
        areas=(np.bincount(labels.ravel()) / labels.size).astype(np.float32),
        colors=rng.random((count, 3)).astype(np.float32),
        edges=borders.edges,
        lengths=borders.lengths,
        evidence=rng.random(len(borders.edges)).astype(np.float32),
    )


def test_superpixels_are_joined_that_share_a_quarter_of_the_smaller():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 4, (2, 12, 10))
    other[:, 5:] = one[:, 5:]  # so that some share much and some little
    pairs, shared = overlaps(one, other)
    wanted = {}
    for a in range(4):
        for b in range(4):
            both = np.sum((one == a) & (other == b))
            if both >= 0.25 * min(np.sum(one == a), np.sum(other == b)):
                wanted[a, b] = both
    assert 4 <= len(wanted) < 16
    assert dict(zip(map(tuple, pairs.tolist()), shared, strict=True)) == wanted


def test_between_frames_that_share_all_borders_are_as_long_as_within():
    frame = random_regions(0)
    _, shared = overlaps(frame.labels, frame.labels)
    lengths = time_lengths(shared, frame.labels.size, float(frame.lengths.sum()))
    assert lengths.sum() == pytest.approx(frame.lengths.sum())


def test_the_graph_has_all_superpixels_and_both_kinds_of_borders():
    frames = [random_regions(i, count) for i, count in enumerate((7, 5, 6))]
    graph = graph_of_frames(frames)
    assert len(graph) == 18
    assert graph.areas.sum() == pytest.approx(1)
    assert graph.areas[7] == pytest.approx(frames[1].areas[0] / 3)
    np.testing.assert_array_equal(graph.vectors[12:], frames[2].vectors)
    np.testing.assert_array_equal(graph.colors[7:12], frames[1].colors)
    frame_of = np.repeat([0, 1, 2], (7, 5, 6))
    starts = np.array([0, 7, 12])
    ends = frame_of[graph.edges]
    for i, frame in enumerate(frames):
        own = (ends == i).all(axis=1)
        np.testing.assert_array_equal(graph.edges[own] - starts[i], frame.edges)
        np.testing.assert_array_equal(graph.evidence[own], frame.evidence)
    for i in (0, 1):
        across = (ends == (i, i + 1)).all(axis=1)
        pairs, _ = overlaps(frames[i].labels, frames[i + 1].labels)
        np.testing.assert_array_equal(graph.edges[across] - starts[i : i + 2], pairs)
        assert not graph.evidence[across].any()
    assert (np.diff(ends, axis=1) <= 1).all()


def test_features_are_means_of_unit_length_to_which_blocks_add_alike():
    segmenter = Segmenter.create(method=METHOD, model="dinov2_test")
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    (found,) = frame_regions([image], segmenter)
    config = segmenter.config
    divided = superpixels_of(image, (6, 6), config.superpixels)
    np.testing.assert_array_equal(found.labels, divided.labels)
    features = np.asarray(segmenter.features([image]))[0].reshape(36, -1)
    means = divided.graph.weights @ features
    blocks = means[: len(found)].reshape(len(found), len(config.request.blocks), -1)
    blocks /= np.linalg.norm(blocks, axis=2, keepdims=True)
    wanted = blocks.reshape(len(found), -1) / np.sqrt(len(config.request.blocks))
    np.testing.assert_allclose(found.vectors, wanted, atol=1e-3)


def test_principal_directions_keep_the_products_of_rows_of_low_rank():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 30))
    found = principal(rows.astype(np.float32), 6)
    assert found.shape == (200, 6)
    np.testing.assert_allclose(found @ found.T, rows @ rows.T, atol=2e-3)
    np.testing.assert_array_equal(found, principal(rows.astype(np.float32), 6))


def test_short_rows_stay_as_they_are():
    rows = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float16)
    np.testing.assert_array_equal(principal(rows, 5), rows.astype(np.float32))
