import concurrent.futures
import copy
import json
import os
import subprocess
import sys
import time

import pytest

from uhseg_jax import locks
from uhseg_jax.runs.claims import LOCK, claim, require
from uhseg_jax.runs.record import RECORD, RunError
from uhseg_jax.runs.settings import digest
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
    """A claim that has ended."""
    with claim(folder, settings, results=folder.rglob("*.npz"), **kwargs) as made:
        return made


def write(made, name, text):
    with made.write(name) as aside:
        aside.write_text(text)


def test_a_folder_is_claimed_once(tmp_path):
    out = tmp_path / "out"
    made = claimed(out)
    before = (out / "run.json").read_bytes()
    assert made.settings_sha256 == digest(SETTINGS)
    with require(out, SETTINGS) as required:
        assert required.settings_sha256 == made.settings_sha256
    claimed(out)
    claimed(out, shared=True, overwrite=True)
    assert (out / "run.json").read_bytes() == before
    assert os.listdir(out) == ["run.json"]
    backwards = dict(reversed(SETTINGS.items()))
    assert digest(backwards) == made.settings_sha256 != digest(changed(version="2"))


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
    claimed(tmp_path, overwrite=True, forget=tmp_path.glob("*/*.npz"))
    assert not (tmp_path / "sub/a.npz").exists()


@pytest.mark.parametrize("name", ["run.json", "settings.json"])
@pytest.mark.parametrize("kind", [{}, {"kind": "segment"}])
def test_results_of_older_versions_are_refused(tmp_path, name, kind):
    (tmp_path / "a.npz").touch()
    old = {k: v for k, v in SETTINGS.items() if k != "kind"}
    (tmp_path / name).write_text(json.dumps({**old, **kind}))
    sentence = "uhseg_jax 1, which recorded its settings otherwise"
    for refused in (claimed, require):
        with pytest.raises(RunError, match=sentence):
            refused(tmp_path, SETTINGS)
    claimed(tmp_path, overwrite=True)
    claimed(tmp_path)


def test_settings_without_a_result_are_replaced(tmp_path):
    claimed(tmp_path)
    other = claimed(tmp_path, changed(model="n"))
    with require(tmp_path, changed(model="n")) as required:
        assert required.settings_sha256 == other.settings_sha256
    # Its results, if there are any, are not known to this kind.
    with pytest.raises(RunError, match="of uhseg-segment, not of uhseg-evaluate"):
        claimed(tmp_path, changed(kind="evaluate"))


def test_files_of_others_are_refused_and_those_of_a_run_are_known(tmp_path):
    coco = tmp_path / "coco.json"
    coco.write_text("of a user")
    for _ in range(2):  # with and without a record
        with pytest.raises(RunError, match=r"coco\.json: .* no run wrote it"):
            claimed(tmp_path, files=[coco])
        claimed(tmp_path)
    claimed(tmp_path, files=[coco], is_own=lambda path: path == coco)
    with claim(tmp_path, SETTINGS) as made:
        with pytest.raises(RunError, match="no run wrote it"):
            write(made, "coco.json", "ours")
        write(made, "sub/metrics.json", "1")
        assert made.owns("sub/metrics.json")
        assert not made.owns("coco.json")
    assert coco.read_text() == "of a user"
    with claim(tmp_path, SETTINGS, files=[coco], overwrite=True) as made:
        write(made, "coco.json", "ours")
    files = [coco, tmp_path / "sub/metrics.json"]
    with pytest.raises(RunError, match="version 1 there and 2 now"):
        claimed(tmp_path, changed(version="2"), files=files)
    with claim(tmp_path, changed(version="2"), files=files, overwrite=True) as made:
        assert not any(x.exists() for x in files)  # of the settings before
        write(made, "sub/metrics.json", "2")
        write(made, "sub/metrics.json", "3")
    recorded = json.loads((tmp_path / "run.json").read_text())["files"]
    assert {name: len(x) for name, x in recorded.items()} == {"sub/metrics.json": 2}
    files[1].write_text("altered")
    with pytest.raises(RunError, match=r"metrics\.json: .* no run wrote it"):
        claimed(tmp_path, changed(version="2"), files=files)
    coco.touch()  # as a loss of power may leave it
    claimed(tmp_path, changed(version="2"), files=[coco])
    coco.unlink()
    coco.mkdir()
    with pytest.raises(RunError, match="but this is a folder; rename it"):
        claimed(tmp_path, files=[coco], overwrite=True)


@pytest.mark.parametrize("is_own", [None, lambda path: False])
def test_what_a_user_puts_there_while_a_file_is_written_stays(tmp_path, is_own):
    path = tmp_path / "a.npz"

    def write_beside_a_user(made):
        with made.write("a.npz", is_own) as aside:
            aside.write_text("ours")
            path.write_text("mine")

    with claim(tmp_path, SETTINGS) as made:
        with pytest.raises(RunError, match=r"a\.npz: .* no run wrote it"):
            write_beside_a_user(made)
        assert path.read_text() == "mine"
    with claim(tmp_path, SETTINGS, overwrite=True) as made:
        write_beside_a_user(made)
    assert path.read_text() == "ours"


def test_a_file_is_known_even_if_the_process_dies_before_or_after_the_rename(
    tmp_path, monkeypatch
):
    with claim(tmp_path, SETTINGS) as made:
        write(made, "metrics.json", "1")

        def die(aside, path):
            if path.name == "metrics.json":
                raise KeyboardInterrupt
            rename(aside, path)

        rename = os.replace
        monkeypatch.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            write(made, "metrics.json", "2")
        assert made.owns("metrics.json")
        (tmp_path / "metrics.json").write_text("2")
        assert made.owns("metrics.json")


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "3", '{"epochs": 3}', "\udcff", '{"a":' * 100_000),
        json.dumps(changed(kind=[], files={})),
        json.dumps(changed(files=3)),
        json.dumps(changed(files={"metrics.json": 5})),
        json.dumps(changed(files={"../metrics.json": ["0"]})),
        json.dumps(changed(files={"/metrics.json": ["0"]})),
    ],
    ids=range(12),
)
def test_a_run_json_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content, errors="surrogateescape")
    with pytest.raises(RunError, match="holds something else"):
        claimed(tmp_path)
    claimed(tmp_path, overwrite=True)


def test_runs_of_other_settings_cannot_begin_while_one_works(tmp_path):
    other = changed(version="2")
    with claim(tmp_path, SETTINGS) as first, claim(tmp_path, SETTINGS) as second:
        for settings, overwrite in ((other, False), (other, True), (SETTINGS, True)):
            with pytest.raises(RunError, match="another run works") as caught:
                claimed(tmp_path, settings, overwrite=overwrite)
            assert ("version 1 there and 2 now" in str(caught.value)) == (
                settings == other
            )
        claimed(tmp_path, shared=True, overwrite=True)
        first.close()
        with pytest.raises(RunError, match="another run works"):
            claimed(tmp_path, other)
        second.close()
    claimed(tmp_path, other)


def test_files_that_are_written_at_once_are_all_recorded(tmp_path):
    names = [f"images/worst-{i}.png" for i in range(12)]
    with claim(tmp_path, SETTINGS) as made:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: write(made, name, name), names))
        assert all(map(made.owns, names))


def test_every_process_of_a_run_forgets_what_is_in_its_own_folder(tmp_path):
    """Whether --distributed gives them one folder or one for each."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        claimed(folder)
        (folder / "images-0.jsonl").touch()

    def forgetting(folder, **kwargs):
        old = folder.glob("*.jsonl")
        return claim(folder, SETTINGS, overwrite=True, forget=old, **kwargs)

    with forgetting(folders[0]):
        (folders[0] / "images-0.jsonl").touch()
        for folder in folders:
            forgetting(folder, shared=True).close()
    assert (folders[0] / "images-0.jsonl").exists()
    assert not (folders[1] / "images-0.jsonl").exists()


def test_a_killed_process_keeps_nobody_out(tmp_path):
    code = (
        "import sys, time; from uhseg_jax.locks import FileLock\n"
        "lock = FileLock(sys.argv[1]); print(lock.try_alone(), flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / ".run.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        lock = locks.FileLock(tmp_path / ".run.lock")
        assert not lock.try_shared()
        process.kill()
    claimed(tmp_path)


def test_a_lock_file_that_its_last_holder_deletes_is_made_anew(tmp_path):
    path = tmp_path / "lock"
    first, second = locks.FileLock(path), locks.FileLock(path)
    assert first.try_alone()
    assert not second.try_alone()
    first.close()
    assert not path.exists()
    third = locks.FileLock(path)
    assert third.try_shared()
    assert not second.try_alone()
    assert second.try_shared()
    third.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_a_folder_without_locks_is_claimed_all_the_same(tmp_path, monkeypatch):
    def flock(handle, kind):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with claim(tmp_path, SETTINGS):
        claimed(tmp_path)
        (tmp_path / "a.npz").touch()
        with pytest.raises(RunError, match="version 1 there and 2 now"):
            claimed(tmp_path, changed(version="2"))


@pytest.mark.parametrize("before", [None, {"version": "0"}])
def test_without_locks_processes_that_begin_together_agree(
    tmp_path, monkeypatch, before
):
    """Of several the first writes the settings, and its results are not refused."""
    monkeypatch.setattr(locks, "fcntl", None)
    if before:
        claimed(tmp_path, changed(**before))

    def others():  # asked for after reading the settings
        claim(tmp_path, SETTINGS, forget=tmp_path.glob("*.npz"))
        (tmp_path / "a.npz").touch()
        yield tmp_path / "a.npz"

    made = claim(tmp_path, SETTINGS, files=others(), is_own=os.path.exists)
    assert (tmp_path / "a.npz").exists()
    if before:
        (tmp_path / "a.npz").unlink()
        with pytest.raises(RunError, match="version 1 there and 2 now"):
            claim(tmp_path, changed(version="2"), results=others())
    assert require(tmp_path, SETTINGS).settings_sha256 == made.settings_sha256


def test_what_killed_processes_left_half_written_is_removed(tmp_path):
    ours = [tmp_path / x for x in (".uhseg-abcd_f12.part", "sub/.uhseg-abcdef12.part")]
    others = [tmp_path / x for x in (".uhseg-x.part", "a.part", "run/run.json")]
    others.append(tmp_path / "run/.uhseg-abcdef12.part")  # another run may work there
    for path in (*ours, *others):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with claim(tmp_path, SETTINGS):
        assert not any(x.exists() for x in ours)
        ours[0].touch()
        claimed(tmp_path)
        assert ours[0].exists()
    claimed(tmp_path, shared=True)  # shards elsewhere may not see the lock
    assert ours[0].exists()
    long_ago = time.time() - 4000
    os.utime(ours[0], (long_ago, long_ago))
    claimed(tmp_path, shared=True)
    assert not ours[0].exists()
    assert all(x.exists() for x in others)


def test_what_cannot_be_claimed_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file: expected a folder for the results"):
        claimed(tmp_path / "file")
    with pytest.raises(RunError, match="file/out: expected to write it"):
        claimed(tmp_path / "file/out")
    (tmp_path / RECORD).mkdir()
    for name in (RECORD, LOCK):
        path = tmp_path / name
        for make in (os.mkfifo, lambda path: path.symlink_to("nowhere")):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            make(path)  # reading a pipe would wait for ever
            for overwrite in (False, True):
                with pytest.raises(RunError, match=f"{name}: .*; rename it, or give"):
                    claimed(tmp_path, overwrite=overwrite)
            assert os.path.lexists(path)
        path.unlink()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_names_of_older_versions_are_free_for_others(tmp_path, make):
    make(tmp_path / "settings.json")
    claimed(tmp_path)


def test_a_file_of_a_user_with_the_name_of_a_lock_stays(tmp_path):
    (tmp_path / LOCK).write_text("mine")
    claimed(tmp_path)
    assert (tmp_path / LOCK).read_text() == "mine"


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
