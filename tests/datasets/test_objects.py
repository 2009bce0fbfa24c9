"""The objects of an image: from maps, with their parts, and in cropped images."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from uhseg_jax.datasets.objects import Objects, image_id_of
from uhseg_jax.datasets.source import Example, objects_of
from uhseg_jax.datasets.views import CroppedSource
from uhseg_jax.run_lengths import decode, encode
from uhseg_jax.taxonomy import Taxonomy

MAP = np.array([[0, 3, 3, -1], [7, 3, 0, -1], [7, 7, 7, 0]], np.int32)
PETS = Taxonomy.parse(
    "background = 0 background\ncat = 9\n  head = 1\n  tail = 2\nboat = 4\n"
    "void = 255 ignore\n"
)
LABELS = np.array([[0, 1, 9, 255], [4, 1, 0, 255], [4, 4, 4, 0]], np.uint8)


def stacked(objects):
    return np.stack([*objects.decoded()])


def test_a_map_gives_its_objects_and_one_crowd_of_what_does_not_count():
    objects = Objects.from_map(MAP, "a")
    assert len(objects) == 3
    np.testing.assert_array_equal(stacked(objects), [MAP == 3, MAP == 7, MAP == -1])
    assert objects.areas.tolist() == [3, 4, 2]
    assert objects.crowd.tolist() == [False, False, True]
    assert all(mask["size"] == [3, 4] for mask in objects.masks)
    assert len(Objects.from_map(np.zeros((3, 4), np.int32), "a")) == 0


def test_masks_are_those_of_pycocotools():
    mask = np.random.default_rng(0).random((13, 9)) < 0.5
    (found,) = Objects.from_map(mask.astype(np.uint8), "a").masks
    assert found == coco_mask.encode(np.asfortranarray(mask, np.uint8))
    np.testing.assert_array_equal(decode(encode(mask)), mask)


def test_ids_of_names_are_stable_and_differ():
    ids = [image_id_of(f"image {i}") for i in range(100)]
    assert image_id_of("munster_000000_000019") == image_id_of("munster_000000_000019")
    assert len(set(ids)) == 100
    assert min(ids) >= 0
    assert 2**61 < max(ids) < 2**62


def test_parts_of_an_object_are_objects_after_it_but_for_what_is_all_of_it():
    objects = Objects.from_map(MAP, "a", labels=LABELS, taxonomy=PETS)
    np.testing.assert_array_equal(
        stacked(objects), [MAP == 3, MAP == 7, LABELS == 1, MAP == -1]
    )
    alone = np.where(MAP == 3, 1, LABELS)  # a head without its cat
    assert len(Objects.from_map(MAP, "a", labels=alone, taxonomy=PETS)) == 3
    with pytest.raises(ValueError, match="expected labels of the size"):
        Objects.from_map(MAP, "a", labels=LABELS[1:], taxonomy=PETS)


def test_an_example_without_listed_objects_has_those_of_its_map():
    image = np.zeros((3, 4, 3), np.uint8)
    example = Example("a", image, LABELS, instances=MAP)
    assert len(objects_of(example)) == 3
    assert len(objects_of(example, taxonomy=PETS)) == 4
    assert objects_of(example).image_id == image_id_of("a")
    assert objects_of(Example("a", image, LABELS)) is None
    listed = Objects((), np.zeros(0), np.zeros(0, bool), 5)
    example = Example("a", image, LABELS, instances=MAP, objects=listed)
    assert objects_of(example, taxonomy=PETS) is listed


def test_objects_are_cropped_with_their_image():
    class One:
        name, taxonomy = "one", PETS

        def __len__(self):
            return 1

        def fingerprint(self):
            return "one"

        def __getitem__(self, index):
            image = np.zeros((3, 4, 3), np.uint8)
            right = np.zeros((3, 4), bool)
            right[0, 3] = True  # outside of the square
            masks = (encode(MAP == 7), encode(right), encode(MAP == -1))
            listed = Objects(masks, np.array([4.5, 1, 2]), np.array([0, 0, 1], bool), 5)
            return Example("a", image, LABELS, instances=MAP, objects=listed)

    example = CroppedSource(One(), side=6)[0]
    square = np.repeat(np.repeat(MAP[:, :3], 2, axis=0), 2, axis=1)
    np.testing.assert_array_equal(example.instances, square)
    np.testing.assert_array_equal(stacked(example.objects), [square == 7])
    assert example.objects.areas.tolist() == [16]
    assert example.objects.image_id == 5


@pytest.mark.parametrize(
    ("masks", "areas", "message"),
    [
        ((encode(MAP == 3),), np.zeros(2), "an area and a crowd flag for every mask"),
        (
            (encode(MAP == 3), encode(MAP[1:] == 3)),
            *(np.zeros(2), r"masks of one size.*\(2, 4\), \(3, 4\)"),
        ),
    ],
)
def test_objects_that_do_not_fit_together_are_refused(masks, areas, message):
    with pytest.raises(ValueError, match=message):
        Objects(masks, areas, np.zeros(len(areas), bool), 1)
