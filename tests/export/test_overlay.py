"""The overlay shows what cuts say, in colours that follow the tree."""

import colorsys

import numpy as np
import pytest
from hypothesis import given
from trees import make_tree, quadrants, random_tree, region_trees

from uhseg_jax.export import overlay as overlay_module
from uhseg_jax.export.colors import hex_colors, node_colors
from uhseg_jax.export.overlay import overlay, panels
from uhseg_jax.export.panels import boundaries, fit


def _grey(tree):
    return np.full((*tree.labels.shape, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("size", "columns"),
    [((400, 400), 4), ((400, 600), 2), ((600, 400), 4), ((100, 1000), 1)],
)
def test_panels_are_laid_out_by_the_shape_of_the_image(size, columns):
    tree = quadrants(*size)
    width = overlay(_grey(tree), tree).shape[1]
    panel = size[1]
    assert columns * panel < width < columns * panel + (columns + 1) * 20 + 40


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2), (2500, 40)])
def test_any_size_of_image_gives_a_sheet_of_sensible_size(size):
    tree = random_tree(0, height=size[0], width=size[1])
    sheet = overlay(_grey(tree), tree)
    assert sheet.dtype == np.uint8
    assert min(sheet.shape[:2]) > 100
    assert max(sheet.shape[:2]) < 5000


def test_captions_give_the_regions_that_are_there(monkeypatch):
    tree = quadrants()
    captions = []
    sheet = overlay_module._sheet
    monkeypatch.setattr(
        overlay_module, "_sheet", lambda *x: captions.extend(x[1]) or sheet(*x)
    )
    overlay(_grey(tree), tree, levels=(1, 2, 3, 5, 99))
    numbers = ["1 region", "2 regions", "3 regions", "4 regions", "4 regions"]
    assert captions == ["Image", *numbers]


def test_a_title_stands_above_and_its_end_is_always_seen():
    tree = quadrants(40, 40)
    plain = overlay(_grey(tree), tree)
    short = overlay(_grey(tree), tree, title="a: 0.5")
    long = overlay(_grey(tree), tree, title="x" * 500 + " 0.5")
    assert short.shape[0] > plain.shape[0]
    for sheet in (short, long):
        np.testing.assert_array_equal(sheet[-plain.shape[0] :], plain)
        line = sheet[: -plain.shape[0]]
        assert line.min() < 100
        assert line[:, :4].min() == line[:, -4:].min() == 255


def test_regions_keep_their_colour_until_they_are_split():
    tree = quadrants(400, 400)
    sheet = overlay(_grey(tree), tree, levels=(2, 3)).astype(int)
    image, two, three = (sheet[16:416, 16 + i * 416 :][:, :400] for i in range(3))
    right, left_top = (100, 350), (100, 70)
    assert (two[right] == three[right]).all()
    assert (two[left_top] != three[left_top]).any()
    assert (image == 128).all()


def test_a_tree_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(9, 12\).*\(8, 12\)"):
        overlay(np.zeros((9, 12, 3), np.uint8), quadrants())


def test_large_images_are_reduced_and_small_ones_enlarged_by_whole_factors():
    labels = np.arange(6, dtype=np.int32).reshape(2, 3)
    image = np.repeat(labels[..., None], 3, axis=2).astype(np.uint8)
    large, large_labels = fit(image, labels, longest=100, shortest=8)
    assert large.shape == (6, 9, 3)
    np.testing.assert_array_equal(large_labels, np.kron(labels, np.ones((3, 3), int)))
    small, small_labels = fit(
        np.tile(image, (9, 9, 1)), np.tile(labels, (9, 9)), longest=9
    )
    assert small.shape == (6, 9, 3)
    assert small_labels.shape == (6, 9)


def test_boundaries_lie_between_regions_and_nowhere_else():
    labels = np.repeat([[0, 0, 0, 1, 1, 1]], 3, axis=0)
    assert boundaries(labels).tolist() == [[False, False, True] + [False] * 3] * 3
    thick = boundaries(labels, thickness=2)
    assert thick.tolist() == [[False, True, True] + [False] * 3] * 3
    assert not boundaries(np.zeros((1, 1), int), thickness=2).any()


def _hue(color):
    return colorsys.rgb_to_hsv(*(color / 255))[0]


def _turn(a, b):
    """Distance of two hues in turns."""
    return abs((a - b + 0.5) % 1 - 0.5)


@given(tree=region_trees())
def test_every_node_of_any_tree_has_a_readable_colour(tree):
    colors = node_colors(tree)
    assert colors.shape == (tree.parents.size, 3)
    nodes = colors[: int(tree.num_nodes)].astype(int)
    assert nodes.sum(axis=1).min() > 150
    assert nodes.sum(axis=1).max() < 720


def test_parts_have_hues_near_their_regions():
    hues = [_hue(color) for color in node_colors(quadrants())]
    for parent, children in [(1, (3, 4)), (2, (5, 6))]:
        other = 3 - parent
        for child in children:
            assert _turn(hues[child], hues[parent]) < _turn(hues[child], hues[other])


def test_siblings_differ_clearly():
    many = make_tree(
        np.arange(1, 13).reshape(3, 4), [-1] + [0] * 12, [0] + [1] * 12, [0] + [1] * 12
    )
    colors = node_colors(many)[1:].astype(int)
    gaps = abs(colors[:, None] - colors[None]).sum(axis=-1)
    assert gaps[~np.eye(12, dtype=bool)].min() > 40


def test_hex_colors_read_back():
    colors = node_colors(quadrants())
    back = [[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in hex_colors(colors)]
    np.testing.assert_array_equal(back, colors)


def test_ground_truth_is_drawn_where_it_is_known():
    tree = quadrants(400, 600)
    image = np.full((400, 600, 3), 90, np.uint8)
    truth = np.zeros((400, 600), np.int32)
    truth[:, 300:], truth[200:] = 3, -1
    plain = overlay(image, tree, levels=(2, 4))
    sheet = overlay(image, tree, levels=(2, 4), truth=truth)
    assert sheet.size > plain.size
    # Somewhere in the second panel: two flat colours above, the image itself below.
    panel = sheet[16:416, 632:1232]
    assert (panel[390, 100] == 90).all()
    left, right = panel[100, 100], panel[100, 500]
    assert (left != right).any()
    assert (left != 90).any()


def test_panels_are_white_where_there_is_no_data():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 200, (48, 64, 3), np.uint8)
    valid = np.ones((48, 64), bool)
    valid[:12, 20:] = False
    drawn = panels(image, random_tree(0, height=48, width=64), levels=[3], valid=valid)
    for _, panel in drawn:
        step = len(panel) // len(image)
        seen = (panel[step // 2 :: step, step // 2 :: step] == 255).all(-1)
        assert seen[~valid].all()
    assert not (drawn[0][1] == 255).all(-1)[12 * step :].any()
