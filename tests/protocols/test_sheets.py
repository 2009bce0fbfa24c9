import dataclasses

import numpy as np
import pytest
from evaluations import TAXONOMY, sheet
from PIL import Image

from uhseg_jax.datasets.objects import Objects
from uhseg_jax.datasets.source import Example
from uhseg_jax.protocols.gallery import truth_of
from uhseg_jax.protocols.sheets import (
    evenly_spaced,
    is_sheet,
    is_sheet_of,
    mark_of,
    read_sheet,
    sheet_name,
)
from uhseg_jax.run_lengths import encode


def test_examples_are_drawn_evenly_spaced():
    assert evenly_spaced(5, 200) == [0, 1, 2, 3, 4]
    assert evenly_spaced(101, 5) == [0, 25, 50, 75, 100]
    assert evenly_spaced(10, 0) == evenly_spaced(0, 10) == []
    assert evenly_spaced(10, 1) == [0]
    found = evenly_spaced(1449, 200)
    assert len(set(found)) == 200
    assert set(np.diff(found)) == {7, 8}


@pytest.mark.parametrize("size", [(20, 30), (333, 500), (500, 90)])
def test_panels_come_back_apart(size, tmp_path):
    path = tmp_path / sheet_name(7)
    assert path.name == "000007.jpg"
    sheet(path, size=size)
    found = read_sheet(path)
    assert list(found) == ["Image", "Ground truth", "2 regions", "4 regions"]
    shapes = {x.shape for x in found.values()}
    assert len(shapes) == 1
    height, width, _ = shapes.pop()
    assert 160 <= max(height, width) <= 320
    assert width / height == pytest.approx(size[1] / size[0], rel=0.03)
    assert np.abs(found["Image"].astype(int) - 128).max() < 8
    # Colours of the two halves, but for the line between them and what JPEG adds.
    truth = found["Ground truth"].astype(int)
    for half in (truth[:, : width // 2 - 9], truth[:, width // 2 + 9 :]):
        assert np.ptp(half, axis=(0, 1)).max() < 40
    assert np.abs(truth[:, 5] - truth[:, -5]).max() > 40


def test_sheets_are_known_by_their_marks(tmp_path):
    path = tmp_path / "000001.jpg"
    sheet(path, "caf\udce9")
    mark = mark_of("settings", "caf\udce9")
    assert is_sheet(path)
    assert is_sheet_of(path, mark)
    assert not is_sheet_of(path, mark_of("others", "caf\udce9"))
    assert not is_sheet(tmp_path / "nothing.jpg")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert is_sheet(path)
    assert not is_sheet_of(path, mark)
    Image.new("RGB", (9, 9)).save(path)
    assert not is_sheet(path)
    for content in (whole[:50], b"", b"text"):
        path.write_bytes(content)
        assert not is_sheet(path)
        with pytest.raises(ValueError, match="expected a sheet"):
            read_sheet(path)


def test_objects_are_drawn_each_for_itself_the_smaller_over_the_larger():
    masks = np.zeros((3, 4, 6), bool)
    masks[0, :2], masks[1], masks[2, 1:, 4:] = True, True, True
    areas, crowd = masks.sum((1, 2)).astype(float), np.array([False, False, True])
    objects = Objects(tuple(map(encode, masks)), areas, crowd, 1)
    labels = np.ones((4, 6), np.uint8)
    example = Example("x", np.zeros((4, 6, 3), np.uint8), labels, objects=objects)
    shown = truth_of(example, TAXONOMY)
    assert shown[0, 0] == 1
    assert shown[3, 0] == 2
    assert shown[1, 5] == shown[3, 5] == -1
    labelled = dataclasses.replace(example, objects=None)
    assert np.ptp(truth_of(labelled, TAXONOMY)) == 0
