"""Runs of processes that are killed, of several devices and of several processes.

All must end in the same files, byte for byte.
"""

import json
import signal
import socket
import time

import pytest
from small_runs import (
    finish,
    objects_of_photographs,
    photographs_with_masks,
    start,
)

from uhseg_jax.hierarchy.tree import RegionTree

pytestmark = pytest.mark.slow
COUNT = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs with masks, and what one process makes of them."""
    folder = photographs_with_masks(tmp_path_factory.mktemp("runs"), COUNT)
    for command in ("segment", "evaluate"):
        finish(begin(command, folder, folder / command))
    return folder


@pytest.fixture
def output(folder, tmp_path):
    """An output folder beside those of the one process: results tell where images are.

    They do so relative to it.
    """
    return folder / tmp_path.name


def begin(command, folder, output, *flags, **kwargs):
    flags = [f"--images={folder / 'images'}", f"--output={output}", *flags]
    if command == "evaluate":
        flags.append(f"--masks={folder / 'masks'}")
    return start(command, *flags, **kwargs)


def results(folder):
    """The contents of files, but of journals (as many as processes) and parts."""
    others = (".jsonl", ".part")
    paths = (p for p in folder.rglob("*.*") if p.is_file() and p.suffix not in others)
    return {p.relative_to(folder): p.read_bytes() for p in paths}


def two_processes():
    """The flags that both of two processes share."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    return ["--distributed", f"--coordinator=localhost:{port}", "--processes=2"]


both = pytest.mark.parametrize("command", ["segment", "evaluate"])


@both
def test_eight_devices_make_the_files_of_one(command, folder, output):
    finish(begin(command, folder, output, devices=8))
    assert results(output) == results(folder / command)


@both
def test_two_processes_make_the_files_of_one(command, folder, output):
    flags = two_processes()
    finish(
        *(begin(command, folder, output, *flags, f"--process={i}") for i in range(2))
    )
    assert results(output) == results(folder / command)
    journals = 2 if command == "evaluate" else 0
    assert len(list(output.glob("images-*.jsonl"))) == journals


def test_two_processes_score_the_proposals_of_both(folder, tmp_path):
    # They gather unequal numbers of proposals: the photographs are odd in number.
    listed = objects_of_photographs(tmp_path, COUNT)

    def begun(output, *more):
        flags = [f"--images={folder / 'images'}", f"--annotations={listed}", *more]
        return start("evaluate", f"--output={tmp_path / output}", *flags)

    flags = two_processes()
    finish(begun("one"), *(begun("two", *flags, f"--process={i}") for i in range(2)))
    assert results(tmp_path / "two") == results(tmp_path / "one")
    scores = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert (scores["images"], scores["objects"]) == (COUNT, 2 * COUNT)
    assert 0 < scores["full/ap_50"] < 1


@both
def test_kill_9_in_the_middle_does_not_change_the_files(command, folder, output):
    def is_begun():
        journal = output / "images-0.jsonl"
        return (output / "02.npz").exists() or (
            journal.exists() and journal.read_bytes().count(b"\n") > 2
        )

    with begin(command, folder, output) as killed:
        deadline = time.monotonic() + 240
        while not is_begun() and time.monotonic() < deadline:
            time.sleep(0.002)
        killed.send_signal(signal.SIGKILL)
    assert is_begun()
    assert not {"coco.json", "metrics.json"} & {p.name for p in output.iterdir()}
    trees = {p: p.stat().st_mtime_ns for p in output.glob("*.npz")}
    for path in trees:
        RegionTree.load(path)
    finish(begin(command, folder, output))
    assert trees.items() <= {p: p.stat().st_mtime_ns for p in trees}.items()
    assert results(output) == results(folder / command)


def test_two_runs_at_once_make_the_files_of_one(folder, output):
    finish(*(begin("segment", folder, output) for _ in range(2)))
    assert results(output) == results(folder / "segment")


def test_of_two_runs_at_once_with_other_settings_one_is_refused(folder, output):
    flags = (), ("--refine=none",)
    processes = [begin("segment", folder, output, *x) for x in flags]
    said = [process.communicate(timeout=300)[0] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1], said
    assert "there and" in said[codes.index(1)]
    finish(begin("segment", folder, folder / "alone", *flags[codes.index(0)]))
    assert results(output) == results(folder / "alone")


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_kill_9_while_the_worst_and_best_are_drawn(num_seeds, folder, output):
    flags = [f"--num_seeds={num_seeds}"]
    drawings = "images/*.png" if num_seeds == 1 else "seed-0/images/*.png"
    with begin("evaluate", folder, output, *flags) as killed:
        deadline = time.monotonic() + 240
        while not list(output.glob(drawings)) and time.monotonic() < deadline:
            time.sleep(0.002)
        killed.send_signal(signal.SIGKILL)
    drawn = {p: p.stat().st_mtime_ns for p in output.glob(drawings)}
    assert 0 < len(drawn) < 8
    finish(begin("evaluate", folder, output, *flags))
    assert drawn.items() <= {p: p.stat().st_mtime_ns for p in drawn}.items()
    if num_seeds == 1:
        assert results(output) == results(folder / "evaluate")
    else:
        assert len(list(output.glob("seed-?/images/*.png"))) == 16


def test_a_second_evaluation_of_equal_settings_is_refused(folder, output):
    with begin("evaluate", folder, output) as first:
        while not (output / "images-0.jsonl").exists() and first.poll() is None:
            time.sleep(0.002)
        first.send_signal(signal.SIGSTOP)
        second = begin("evaluate", folder, output)
        said, _ = second.communicate(timeout=300)
        first.send_signal(signal.SIGCONT)
        finish(first)
    assert second.returncode == 1
    assert "another evaluation scores into this folder" in said
    assert results(output) == results(folder / "evaluate")
