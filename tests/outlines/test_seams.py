"""Outlines with seams hold what polygons with holes hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from label_maps import label_maps
from pycocotools import mask as coco_mask

from uhseg_jax.outlines.polygons import outlines_of
from uhseg_jax.outlines.seams import in_one, without_holes

# pycocotools 2.0 decodes masks through an array protocol that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


def filled(rings, shape):
    """What pycocotools fills, which counts crossings."""
    found = coco_mask.frPyObjects([x.ravel().tolist() for x in rings], *shape)
    return coco_mask.decode(coco_mask.merge(found)).astype(bool)


def area(ring):
    x, y = ring.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


@settings(max_examples=80, deadline=None)
@given(labels=label_maps())
def test_outlines_with_seams_give_every_mask_back(labels):
    outlines = outlines_of(labels)
    for region in range(labels.max() + 1):
        found = outlines.polygons(np.arange(labels.max() + 1) == region)
        rings, one = [without_holes(x) for x in found], in_one(found)
        for pieces in (rings, [one]):
            np.testing.assert_array_equal(
                filled(pieces, labels.shape), labels == region
            )
            assert sum(map(area, pieces)) == (labels == region).sum()


def test_a_seam_leads_to_the_nearest_point_and_back():
    labels = np.zeros((9, 9), np.int32)
    labels[2:4, 3:6] = 1
    (polygon,) = outlines_of(labels).polygons(np.array([True, False]))
    ring = without_holes(polygon)
    assert len(ring) == 4 + 4 + 2
    corner, hole = [0, 0], [3, 2]
    points = ring.tolist()
    assert points.count(corner) == points.count(hole) == 2


def test_an_outline_without_holes_stays_as_it_is():
    (polygon,) = outlines_of(np.zeros((3, 5), np.int32)).polygons(np.array([True]))
    assert without_holes(polygon) is polygon.outer


def test_many_pieces_and_holes_are_joined():
    """Far more than Python's functions may call each other."""
    mask = np.zeros((5, 1100), np.int32)
    mask[1::2, 1::2] = 1
    outlines = outlines_of(mask)
    for region in range(2):
        found = outlines.polygons(np.arange(2) == region)
        np.testing.assert_array_equal(
            filled([in_one(found)], mask.shape), mask == region
        )
