import dataclasses

import pytest

from uhseg_jax.runs import RunError, Settings, claim

SETTINGS = Settings(
    version="1",
    model="m",
    weights_sha256="0",
    dtype="float32",
    method="r",
    refinement={"refiner": "none"},
    config={"blocks": (-1,), "contrast": 1.0},
)


def test_a_folder_is_claimed_once(tmp_path):
    since = claim(tmp_path / "out", SETTINGS)
    assert claim(tmp_path / "out", SETTINGS) == since
    assert claim(tmp_path / "out", SETTINGS, overwrite=True) > since


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": "2"}, "version 1 there and 2 now"),
        ({"weights_sha256": "f"}, "weights_sha256 0 there and f now"),
        ({"dtype": "bfloat16"}, "dtype float32 there"),
        ({"max_regions": 3}, "max_regions None there and 3 now"),
        ({"config": {"blocks": (-2,)}}, "blocks"),
    ],
)
def test_other_settings_are_refused_and_named(tmp_path, change, sentence):
    claim(tmp_path, SETTINGS)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.npz").touch()
    other = dataclasses.replace(SETTINGS, **change)
    with pytest.raises(RunError, match=sentence):
        claim(tmp_path, other)
    claim(tmp_path, other, overwrite=True)
    claim(tmp_path, other)


def test_settings_without_a_result_are_replaced(tmp_path):
    since = claim(tmp_path, SETTINGS)
    assert claim(tmp_path, dataclasses.replace(SETTINGS, model="n")) > since


def test_files_of_others_are_refused(tmp_path):
    coco = tmp_path / "coco.json"
    coco.touch()
    with pytest.raises(RunError, match=r"holds no run\.json"):
        claim(tmp_path, SETTINGS, files=[coco])
    claim(tmp_path, SETTINGS, files=[coco], overwrite=True)
    claim(tmp_path, SETTINGS, files=[coco])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"epochs": 3}', "\udcff"])
def test_a_run_json_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content, errors="surrogateescape")
    with pytest.raises(RunError, match="holds something else"):
        claim(tmp_path, SETTINGS)


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/run\.json: expected to write it"):
        claim(tmp_path / "file", SETTINGS)
