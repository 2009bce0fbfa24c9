import copy
import json

import pytest

from uhseg_jax.runs.record import RunError, claim, require
from uhseg_jax.runs.shards import Share

SETTINGS = {
    "kind": "segment",
    "version": "1",
    "weights_sha256": "0",
    "config": {"request": {"blocks": [-1]}, "contrast": 1.0},
    "refinement": {"refiner": "none"},
    "taxonomy": "one = 1\n" * 20,
}


def changed(**change):
    return {**copy.deepcopy(SETTINGS), **change}


def claimed(folder, settings=SETTINGS, **kwargs):
    return claim(folder, settings, results=folder.rglob("*.npz"), **kwargs)


def test_a_folder_is_claimed_once(tmp_path):
    out = tmp_path / "out"
    since = claimed(out)
    assert claimed(out) == since == require(out, SETTINGS)
    assert claimed(out, shared=True, overwrite=True) == since
    assert claimed(out, overwrite=True) > since


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": "2"}, "other settings .version 1 there and 2 now.; give another"),
        ({"refinement": {"refiner": "crf"}}, "refinement.refiner none there and crf"),
        ({"config": {"contrast": 2.0}}, "contrast 1.0 there and 2.0 now"),
        ({"config": {"contrast": 1.0}}, r"request.blocks \[-1\] there and None now"),
        ({"taxonomy": "two = 2\n" * 20}, r"settings \(taxonomy\)"),
        ({"seed": 3}, "seed None there and 3 now"),
        ({"kind": "evaluate"}, "there are of uhseg-segment, not of uhseg-evaluate"),
    ],
)
def test_other_settings_are_refused_and_named(tmp_path, change, sentence):
    claimed(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.npz").touch()
    other = changed(**change)
    for refused in (claimed, require):
        with pytest.raises(RunError, match=sentence):
            refused(tmp_path, other)
    claimed(tmp_path, other, overwrite=True)
    assert (tmp_path / "sub/a.npz").exists()
    claimed(tmp_path, other)
    claimed(tmp_path, overwrite=True, shared=True, forget=tmp_path.glob("*/*.npz"))
    assert not (tmp_path / "sub/a.npz").exists()


@pytest.mark.parametrize("name", ["run.json", "settings.json"])
def test_results_of_older_versions_are_refused(tmp_path, name):
    (tmp_path / "a.npz").touch()
    old = {k: v for k, v in SETTINGS.items() if k != "kind"}
    (tmp_path / name).write_text(json.dumps(old))
    with pytest.raises(
        RunError, match="uhseg_jax 1, which recorded its settings otherwise"
    ):
        claimed(tmp_path)
    claimed(tmp_path, overwrite=True)
    claimed(tmp_path)


def test_settings_without_a_result_are_replaced(tmp_path):
    since = claimed(tmp_path)
    assert claimed(tmp_path, changed(model="n")) > since


def test_files_of_others_are_refused(tmp_path):
    coco = tmp_path / "coco.json"
    coco.touch()
    with pytest.raises(RunError, match=r"holds no run\.json"):
        claimed(tmp_path, files=[coco])
    claimed(tmp_path, files=[coco], overwrite=True)
    claimed(tmp_path, files=[coco])


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"epochs": 3}', "\udcff"])
def test_a_run_json_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content, errors="surrogateescape")
    with pytest.raises(RunError, match="holds something else"):
        claimed(tmp_path)
    claimed(tmp_path, overwrite=True)


def test_of_processes_that_begin_together_the_first_writes_the_settings(tmp_path):
    since = []

    def files():  # asked for between reading the settings and writing them
        since.append(claimed(tmp_path))
        yield from ()

    assert claim(tmp_path, SETTINGS, files=files()) == since[0]
    (tmp_path / "run.json").unlink()
    with pytest.raises(RunError, match="version 1 there and 2 now"):
        claim(tmp_path, changed(version="2"), files=files())


@pytest.mark.parametrize("before", [None, {"version": "0"}])
def test_results_of_a_process_that_begins_meanwhile_are_not_refused(tmp_path, before):
    if before:
        claimed(tmp_path, changed(**before))

    def others():  # asked for after reading the settings
        claim(tmp_path, SETTINGS)
        (tmp_path / "a.npz").touch()
        yield tmp_path / "a.npz"

    old = tmp_path.glob("*.npz")
    claim(tmp_path, SETTINGS, files=others(), results=others(), forget=old)
    assert (tmp_path / "a.npz").exists()


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/run\.json: expected to write it"):
        claimed(tmp_path / "file")


def test_shards_share_out_all_images():
    for count in (1, 2, 7):
        shares = [Share.parse(f"{i + 1}/{count}").of(10) for i in range(count)]
        assert sorted(i for share in shares for i in share) == list(range(10))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Share.parse("3/100") == Share(2, 100)


@pytest.mark.parametrize("text", ["0/5", "6/5", "a", "3", "-1/5", "1/0", "1/2/3", ""])
def test_what_names_no_shard_is_a_sentence(text):
    with pytest.raises(ValueError, match="such as 3/100, but got"):
        Share.parse(text)
