import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.methods.multilevel_clustering import cluster_levels, default, foreground

CONFIG = dataclasses.replace(default(), image_clusters=2, kmeans_iterations=20)
H, W = 6, 8
KEY = jax.random.key(0)


def scene(*, foreground=(slice(1, 4), slice(2, 6)), noise=0.05, seed=0):
    """Foreground along one axis and background along another, and who is which."""
    rng = np.random.default_rng(seed)
    inside = np.zeros((H, W), bool)
    inside[foreground] = True
    features = np.eye(5)[np.where(inside, 0, 1)]
    features += noise * rng.normal(size=features.shape)
    attention = np.where(inside, 0.03, 0.001)
    return features.astype(np.float32), attention.astype(np.float32), inside


def level(*foreground, axes=(0, 1)):
    return cluster_levels.Level(
        jnp.eye(5)[jnp.array(axes)],
        jnp.array([axis in foreground for axis in axes]),
        jnp.ones(len(axes)),
    )


def find(features, attention, dataset, category, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    found = foreground.find_foreground(
        KEY, jnp.asarray(features), jnp.asarray(attention), dataset, category, config
    )
    names = ("dataset", "category", "image", "final")
    return {name: np.asarray(getattr(found, name)) for name in names}


def evidence(assignment, attention, on_border, k, mask=None):
    mask = np.ones(len(assignment), bool) if mask is None else mask
    return np.asarray(
        cluster_levels.foreground_by_evidence(
            jnp.asarray(assignment, jnp.int32),
            k,
            jnp.asarray(attention, jnp.float32),
            jnp.asarray(on_border),
            jnp.asarray(mask),
        )
    )


def test_evidence_is_the_sign_of_a_difference_of_standard_scores():
    rng = np.random.default_rng(1)
    for k in (3, 5):
        assignment = np.concatenate([np.arange(k), rng.integers(0, k, 60)])
        attention = rng.random(60 + k).astype(np.float32)
        on_border = rng.random(60 + k) < 0.4
        groups = [assignment == i for i in range(k)]
        scores = []
        for values in (attention.astype(np.float64), on_border):
            means = np.array([values[group].mean() for group in groups])
            scores.append((means - means.mean()) / means.std())
        assert np.abs(scores[0] - scores[1]).min() > 1e-3  # far from a tie
        found = evidence(assignment, attention, on_border, k)
        np.testing.assert_array_equal(found, scores[0] > scores[1])


def test_empty_clusters_and_hidden_patches_have_no_say():
    assignment = np.array([0, 0, 1, 1, 3])
    attention = np.array([1.0, 1.0, 0.1, 0.1, 99.0])
    on_border = np.array([False, False, True, True, False])
    mask = np.array([True, True, True, True, False])
    found = evidence(assignment, attention, on_border, 4, mask)
    assert found.tolist() == [True, False, False, False]
    majority = cluster_levels.foreground_by_majority(
        jnp.asarray(assignment, jnp.int32),
        4,
        jnp.asarray([True, False, False, False, True]),
        jnp.asarray(mask),
        majority=0.5,
    )
    assert np.asarray(majority).tolist() == [True, False, False, False]


def test_of_two_clusters_one_that_has_more_of_both_is_not_foreground():
    rng = np.random.default_rng(4)
    attention, assignment = rng.random(40), np.arange(40) % 2
    attention[assignment == 1] += 1
    on_border = assignment == 1
    assert not evidence(assignment, attention, on_border, 2).any()
    assert evidence(assignment, attention, ~on_border, 2).tolist() == [False, True]


def test_clusters_that_are_all_alike_are_background():
    flat = np.full(6, 0.1)
    assert not evidence([0, 1, 2] * 2, flat, np.zeros(6, bool), 3).any()
    assert not evidence([0] * 6, flat, np.ones(6, bool), 1).any()


def test_margins_are_differences_of_nearest_cosines():
    rng = np.random.default_rng(2)
    units = rng.normal(size=(7, 5))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    three = level(0, 2, axes=(0, 1, 2))
    expected = np.maximum(units[:, 0], units[:, 2]) - units[:, 1]
    points = jnp.asarray(units, jnp.float32)
    np.testing.assert_allclose(
        cluster_levels.margins(points, three), expected, atol=1e-6
    )
    # A cluster without points is nobody's nearest.
    gone = dataclasses.replace(three, sizes=jnp.array([1.0, 1.0, 0.0]))
    expected = units[:, 0] - units[:, 1]
    np.testing.assert_allclose(
        cluster_levels.margins(points, gone), expected, atol=1e-6
    )
    assert (np.asarray(cluster_levels.margins(points, level())) == -2).all()
    assert (np.asarray(cluster_levels.margins(points, level(0, 1))) == 2).all()


@pytest.mark.parametrize("consistency", ["chain", "vote"])
def test_levels_that_agree_give_the_object(consistency):
    features, attention, inside = scene()
    found = find(features, attention, level(0), level(0), consistency=consistency)
    for margin in found.values():
        np.testing.assert_array_equal(margin > 0, inside)
    soft = foreground.probabilities(jnp.asarray(found["final"]), temperature=0.1)
    np.testing.assert_array_equal(np.asarray(soft) > 0.5, inside)


def test_a_vote_is_two_of_three_and_not_the_last():
    features, attention, inside = scene()
    wrong = find(features, attention, level(0), level(1), consistency="vote")
    np.testing.assert_array_equal(wrong["final"] > 0, inside)
    masks = np.stack([wrong[name] > 0 for name in ("dataset", "category", "image")])
    np.testing.assert_array_equal(wrong["final"] > 0, masks.sum(axis=0) >= 2)


def test_the_chain_follows_the_level_above():
    features, attention, inside = scene()
    turned = find(features, attention, level(0), level(1), consistency="chain")
    np.testing.assert_array_equal(turned["image"] > 0, ~inside)


@pytest.mark.parametrize(
    ("category", "dataset", "decides"),
    [
        (level(), level(0), "dataset"),  # the category level is empty, so is the image
        (level(0, 1), level(0), "dataset"),  # it is everything
        (level(), level(), None),  # nothing is foreground at any level
    ],
)
def test_a_failed_mask_falls_back_on_the_level_above(category, dataset, decides):
    features, attention, inside = scene()
    found = find(features, attention, dataset, category)
    expected = inside if decides else np.zeros_like(inside)
    np.testing.assert_array_equal(found["final"] > 0, expected)


def test_a_small_object_lost_in_its_cluster_comes_back_from_the_category():
    # With one cluster an image is all of a piece, and mostly background.
    features, attention, inside = scene()
    found = find(features, attention, level(0), level(0), image_clusters=1)
    assert not (found["image"] > 0).any()
    np.testing.assert_array_equal(found["final"] > 0, inside)


def test_images_of_one_colour_and_of_few_patches_are_no_problem():
    constant = np.ones((H, W, 5), np.float32)
    found = find(constant, np.ones((H, W), np.float32), level(0), level(0))
    assert all(np.isfinite(x).all() for x in found.values())
    few = np.ones((1, 2, 5), np.float32)
    find(few, np.ones((1, 2), np.float32), level(0), level(0), image_clusters=5)


def test_the_border_is_one_cell_wide():
    expected = np.ones((4, 5), bool)
    expected[1:-1, 1:-1] = False
    np.testing.assert_array_equal(foreground.border(4, 5), expected)
    assert np.asarray(foreground.border(1, 3)).all()
