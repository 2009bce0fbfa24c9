import csv
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

import uhseg_jax
from uhseg_jax import evaluation
from uhseg_jax.cli import evaluate as command
from uhseg_jax.datasets.cropped import CroppedSource
from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.evaluation.journal import Entry, Journal
from uhseg_jax.methods import recursive_spectral
from uhseg_jax.metrics import boundary, overlap, regions, scales
from uhseg_jax.metrics.boundary import BoundaryState
from uhseg_jax.metrics.matching import ImageMatchingState, match_image
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import gallery
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.taxonomy import Taxonomy

CONFIG = dataclasses.replace(
    recursive_spectral.default(),
    image_size=84,
    blocks=(-1,),
    num_superpixels=12,
    num_vectors=4,
)
FLAT = "background = 0 background\nleft = 1\nright = 2\nborder = 255 ignore\n"
NESTED = (
    "background = 0 background\nthing\n  left = 1\n  right = 2\nvoid = 255 ignore\n"
)


class Shapes:
    """Images of coloured halves with their masks, made on the fly."""

    name = "shapes"

    def __init__(self, count=5, *, taxonomy=FLAT, fails_at=None):
        self.taxonomy = Taxonomy.parse(taxonomy)
        self.reads = []
        self._count, self._fails_at = count, fails_at

    def __len__(self):
        return self._count

    def fingerprint(self):
        return f"{self._count} shapes"

    def __getitem__(self, index):
        if index == self._fails_at:
            raise DatasetError(f"shape {index}: cannot be read; look at the file.")
        self.reads.append(index)
        rng = np.random.default_rng(index)
        middle = 20 + 5 * index
        labels = np.zeros((40 + index, 60), np.uint8)
        labels[8:, :middle], labels[8:, middle:], labels[:2] = 1, 2, 255
        if index == 3:
            labels[:] = 255  # nothing counts here
        colors = np.array([[90, 90, 90], [220, 40, 30], [20, 60, 220]])
        image = colors[labels % 255] + rng.integers(0, 25, (*labels.shape, 3))
        return Example(f"shape {index}", image.astype(np.uint8), labels)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.create(model="dinov2_test", config=CONFIG, refine="upsample")


def run(segmenter, source, output, *, scoring=None, **kwargs):
    settings = evaluation.settings_of(
        segmenter, source, version="test", scoring=scoring
    )
    return evaluation.evaluate(segmenter, source, output, settings=settings, **kwargs)


def test_scores_are_those_of_the_metrics_image_by_image(segmenter, tmp_path):
    source = Shapes()
    metrics = run(segmenter, source, tmp_path)
    classes = source.taxonomy.flat()
    grid, full = (overlap.OverlapState.empty(classes.num_classes) for _ in range(2))
    for index in range(len(source)):
        example = source[index]
        truth = classes.encode(example.labels)
        tree = segmenter([example.image], grid=True)[0]
        small = resize_labels(truth, tree.labels.shape)
        grid = grid.update(overlap.score_image(tree, small, num_classes=3))
        tree = segmenter([example.image])[0]
        full = full.update(overlap.score_image(tree, truth, num_classes=3))
    for place, state in (("grid", grid), ("full", full)):
        for name, value in state.compute().items():
            key = name if name in metrics else f"{place}/{name}"
            assert metrics[key] == value
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    assert "grid/tree_miou" not in metrics
    expected = {"miou", "pacc", "macc", "fiou", "nmcovering"}
    expected |= {f"nmcovering_at_{n}" for n in (4, 8, 16, 32)}
    found = {key.removeprefix("full/") for key in metrics if key.startswith("full/")}
    assert found == expected


def test_boundaries_of_classes_are_scored_where_asked_for(segmenter, tmp_path):
    source = Shapes()
    scoring = evaluation.Scoring(boundaries=True)
    metrics = run(segmenter, source, tmp_path, scoring=scoring)
    state = BoundaryState.empty(len(scales.NUM_REGIONS))
    for index in (0, 1, 2, 4):  # no pixel of the other counts
        example = source[index]
        truth = example.labels.astype(np.int64)
        truth[:2] = truth[2]  # void rows take what lies below
        tree = segmenter([example.image])[0]
        state = state.update(boundary.score_stack(scales.cut_stack(tree), [truth]))
    wanted = state.compute()
    for name in ("boundary_ods", "boundary_ois", "boundary_ap"):
        assert metrics[f"full/{name}"] == wanted[name]
        assert f"grid/{name}" not in metrics
    assert (metrics["images"], metrics["skipped"]) == (4, 1)


def test_files_hold_what_was_returned(segmenter, tmp_path):
    metrics = run(segmenter, Shapes(), tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    with open(tmp_path / "per_image.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"shape {i}" for i in range(5)]
    scored = [float(r["full/nmcovering"]) for r in rows if r["name"] != "shape 3"]
    assert np.mean(scored) == pytest.approx(metrics["full/nmcovering"], abs=1e-9)


def test_the_worst_and_best_images_are_drawn(segmenter, tmp_path):
    run(segmenter, Shapes(), tmp_path)
    with open(tmp_path / "per_image.csv", newline="") as file:
        rows = {row["name"]: row["full/nmcovering"] for row in csv.DictReader(file)}
    drawn = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert drawn == ["best-1.png", "best-2.png", "worst-1.png", "worst-2.png"]
    assert rows["shape 3"] == "nan"  # nothing counts there, so it is not drawn
    with Image.open(tmp_path / "images" / "worst-1.png") as sheet:
        assert sheet.width > 2 * 60  # image, ground truth and two levels


def drawn_truths(monkeypatch):
    """The ground truths that the gallery draws from now on."""
    truths, draw = [], gallery.overlay

    def overlay(image, tree, *, truth, **kwargs):
        truths.append(truth)
        return draw(image, tree, truth=truth, **kwargs)

    monkeypatch.setattr(gallery, "overlay", overlay)
    return truths


def test_images_show_classes_and_what_does_not_count(segmenter, tmp_path, monkeypatch):
    truths = drawn_truths(monkeypatch)
    run(segmenter, Shapes(2), tmp_path / "classes")
    assert len(truths) == 2
    assert all(np.unique(truth).tolist() == [-1, 0, 1, 2] for truth in truths)
    truths.clear()
    run(segmenter, Annotated(2), tmp_path / "regions")
    assert all(np.unique(truth).tolist() == [0, 1, 2, 255] for truth in truths)


def test_images_that_are_not_there_are_drawn_again(segmenter, tmp_path):
    run(segmenter, Shapes(2), tmp_path)
    shutil.rmtree(tmp_path / "images")
    run(segmenter, Shapes(2), tmp_path)
    assert (tmp_path / "images" / "worst-1.png").is_file()


def test_scores_stand_without_images(segmenter, tmp_path, capsys):
    (tmp_path / "images").write_text("in the way")
    assert run(segmenter, Shapes(2), tmp_path)["images"] == 2
    assert "images could not be drawn" in capsys.readouterr().err


class Annotated(Shapes):
    """The same shapes cut by two people, the second less finely."""

    def __getitem__(self, index):
        example = super().__getitem__(index)
        people = np.stack([example.labels.astype(np.int32), example.labels > 0])
        return dataclasses.replace(example, annotations=people.astype(np.uint16))


def test_regions_of_several_people_are_scored_as_bsds_does(segmenter, tmp_path):
    source = Annotated(3)
    metrics = run(segmenter, source, tmp_path)
    state = regions.RegionState.empty(len(scales.NUM_REGIONS))
    for index in range(3):
        example = source[index]
        tree = segmenter([example.image])[0]
        people = list(example.annotations.astype(np.int64))
        state = state.update(regions.score_tree(tree, people))
    for name, value in state.compute().items():
        assert metrics[name if name == "images" else f"full/{name}"] == value
    assert 0 <= metrics["full/boundary_ods"] <= 1
    assert metrics["mean_nodes"] > 0
    assert not any(key.startswith("grid/") for key in metrics)
    again = run(segmenter, source, tmp_path)
    assert again == metrics


MATCHED = evaluation.Scoring("hungarian", crop=42)


def test_matched_segments_are_scored_on_the_crops(segmenter, tmp_path, monkeypatch):
    truths = drawn_truths(monkeypatch)
    metrics = run(segmenter, Shapes(), tmp_path, scoring=MATCHED)
    cropped = CroppedSource(Shapes(), side=42)
    state = ImageMatchingState.empty(3)
    counts = []
    for example in (cropped[index] for index in range(5)):
        tree = segmenter([example.image])[0]
        truth = cropped.taxonomy.flat().encode(example.labels)
        state = state.update(match_image(tree.labels, truth, num_classes=3))
        counts.append(np.unique(tree.labels).size)
    expected = state.compute()
    assert metrics["full/hungarian_miou"] == expected["miou"]
    assert metrics["full/hungarian_pacc"] == expected["pacc"]
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    assert metrics["mean_leaves"] == np.mean(counts[:3] + counts[4:])
    assert {key.partition("/")[0] for key in metrics} == {
        *("full", "grid", "images", "skipped", "mean_leaves")
    }
    assert len(truths) == 4
    assert all(truth.shape == (42, 42) for truth in truths)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


def test_matching_goes_on_where_it_was_stopped(segmenter, tmp_path):
    whole = run(segmenter, Shapes(), tmp_path / "whole", scoring=MATCHED)
    with pytest.raises(DatasetError, match="shape 2"):
        run(segmenter, Shapes(fails_at=2), tmp_path / "parts", scoring=MATCHED)
    assert run(segmenter, Shapes(), tmp_path / "parts", scoring=MATCHED) == whole
    for name in ("metrics.json", "per_image.csv"):
        ours, theirs = (tmp_path / x / name for x in ("parts", "whole"))
        assert ours.read_bytes() == theirs.read_bytes()
    with pytest.raises(evaluation.EvaluationError, match="scoring"):
        run(segmenter, Shapes(), tmp_path / "whole")


def test_hierarchies_are_scored_as_well(segmenter, tmp_path):
    metrics = run(segmenter, Shapes(taxonomy=NESTED), tmp_path)
    for place in ("grid", "full"):
        assert 0 < metrics[f"{place}/nhcovering"] <= metrics[f"{place}/tree_nmcovering"]
        assert {f"{place}/tree_miou", f"{place}/tree_pacc"} <= metrics.keys()


def test_nothing_to_score_is_null_in_json(segmenter, tmp_path):
    class Empty(Shapes):
        def __getitem__(self, index):
            example = super().__getitem__(index)
            return dataclasses.replace(
                example, labels=np.full_like(example.labels, 255)
            )

    metrics = run(segmenter, Empty(2), tmp_path)
    assert np.isnan(metrics["full/miou"])
    assert metrics["skipped"] == 2
    assert json.loads((tmp_path / "metrics.json").read_text())["full/miou"] is None


def test_a_stopped_evaluation_goes_on_and_ends_the_same(segmenter, tmp_path):
    whole = run(segmenter, Shapes(), tmp_path / "whole")
    with pytest.raises(DatasetError, match="shape 2"):
        run(segmenter, Shapes(fails_at=2), tmp_path / "parts")
    assert not (tmp_path / "parts" / "metrics.json").exists()
    source = Shapes()
    assert run(segmenter, source, tmp_path / "parts") == whole
    assert source.reads[1:4] == [2, 3, 4]  # the first look tells how to score
    for name in ("metrics.json", "per_image.csv"):
        ours, theirs = (tmp_path / x / name for x in ("parts", "whole"))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.slow
def test_kill_9_in_the_middle_does_not_change_the_scores(segmenter, tmp_path):
    code = f"""
        import sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        sys.path.insert(0, {os.getcwd()!r})
        import pathlib, test_evaluate as t
        seg = t.Segmenter.create(
            model="dinov2_test", config=t.CONFIG, refine="upsample"
        )
        def told(name, scores):
            print(name, flush=True)
        out = pathlib.Path(sys.argv[1])
        t.run(seg, t.Shapes(), out, on_image=told)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code)]
    killed = subprocess.Popen(
        [*arguments, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True
    )
    with killed:
        killed.stdout.readline(), killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    again = subprocess.run(
        [*arguments, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True, check=True
    )
    run(segmenter, Shapes(), tmp_path / "b")
    assert len(again.stdout.splitlines()) <= 3
    a, b = ((tmp_path / x / "metrics.json").read_bytes() for x in "ab")
    assert a == b


def evaluated_by_the_command(folder, output, *flags, devices=1):
    """Starts the command in a process of its own on a folder of shapes."""
    code = f"""
        import sys
        sys.path[:0] = [{os.path.dirname(__file__)!r}, {os.getcwd()!r}]
        import dataclasses, test_evaluate as t
        method = t.command.methods.METHODS["recursive_spectral"]
        t.command.methods.METHODS["recursive_spectral"] = dataclasses.replace(
            method, presets={{"small": lambda: t.CONFIG}})
        sys.exit(t.command.main(["uhseg-evaluate", *sys.argv[1:]]))
    """
    command_line = [sys.executable, "-c", textwrap.dedent(code), "--preset=small"]
    command_line += [f"--images={folder / 'images'}", f"--masks={folder / 'masks'}"]
    command_line += ["--model=dinov2_test", "--refine=upsample"]
    command_line += [f"--output={output}", *flags]
    xla_flags = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        command_line,
        env={**os.environ, "XLA_FLAGS": xla_flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_eight_devices_and_two_processes_give_the_scores_of_one(folder, tmp_path):
    one, eight = (
        evaluated_by_the_command(folder, tmp_path / str(n), devices=n) for n in (1, 8)
    )
    for process in (one, eight):
        out, _ = process.communicate(timeout=240)
        assert process.returncode == 0, out
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    flags = ["--distributed", f"--coordinator=localhost:{port}", "--processes=2"]
    pair = [
        evaluated_by_the_command(folder, tmp_path / "2", *flags, f"--process={i}")
        for i in range(2)
    ]
    for process in pair:
        out, _ = process.communicate(timeout=240)
        assert process.returncode == 0, out
    for name in ("metrics.json", "per_image.csv"):
        expected = (tmp_path / "1" / name).read_bytes()
        assert (tmp_path / "8" / name).read_bytes() == expected
        assert (tmp_path / "2" / name).read_bytes() == expected
    assert len(list((tmp_path / "2").glob("images-*.jsonl"))) == 2


def test_results_of_other_settings_are_not_mixed(segmenter, tmp_path):
    run(segmenter, Shapes(2), tmp_path)
    with pytest.raises(evaluation.EvaluationError, match="examples"):
        run(segmenter, Shapes(3), tmp_path)
    assert run(segmenter, Shapes(3), tmp_path, overwrite=True)["images"] == 3


def test_scores_of_other_images_are_not_mixed(segmenter, folder, tmp_path):
    def evaluated(*names):
        source = FolderSource(folder / "images", folder / "masks", names=names)
        return run(segmenter, source, tmp_path / "out")

    evaluated("0")
    with pytest.raises(evaluation.EvaluationError, match="fingerprint"):
        evaluated("1")
    mask = folder / "masks" / "0.png"
    stat = mask.stat()
    mask.write_bytes(mask.read_bytes())
    os.utime(mask, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    with pytest.raises(evaluation.EvaluationError, match="fingerprint"):
        evaluated("0")


@pytest.mark.parametrize("text", ["[]", "3", "{", '{"version": 1}'])
def test_settings_that_are_none_are_said_to_differ(text, segmenter, tmp_path):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(evaluation.EvaluationError, match="other settings"):
        run(segmenter, Shapes(1), tmp_path)


def test_unknown_ids_name_the_example(segmenter, tmp_path):
    source = Shapes(1, taxonomy="background = 0 background\nleft = 1\n")
    with pytest.raises(DatasetError, match=r"shape 0: .*2 \("):
        run(segmenter, source, tmp_path)


def test_a_cut_off_line_of_the_journal_spoils_only_itself(tmp_path):
    journal = Journal(tmp_path / "images.jsonl")
    entries = [
        Entry(i, f"image {i}", {"x": 0.5}, np.arange(4, dtype="<i4")) for i in (0, 1)
    ]
    journal.append(entries[0])
    with open(tmp_path / "images.jsonl", "a") as file:
        file.write(entries[1].to_line()[:-9])
    assert [entry.index for entry in journal.read()] == [0]
    journal.append(entries[1])
    found = list(journal.read())
    assert [entry.index for entry in found] == [0, 1]
    np.testing.assert_array_equal(found[1].words, entries[1].words)


@pytest.fixture
def folder(tmp_path):
    source = Shapes(3)
    for index in range(3):
        example = source[index]
        for name, array in (("images", example.image), ("masks", example.labels)):
            path = tmp_path / name / f"{index}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(array).save(path)
    return tmp_path


def test_the_command_scores_a_folder(folder, monkeypatch, capsys):
    preset = {"small": lambda: CONFIG}
    method = command.methods.METHODS["recursive_spectral"]
    monkeypatch.setitem(
        command.methods.METHODS,
        "recursive_spectral",
        dataclasses.replace(method, presets=preset),
    )
    argv = ["uhseg-evaluate", f"--images={folder / 'images'}", "--preset=small"]
    argv += [f"--masks={folder / 'masks'}", "--model=dinov2_test"]
    argv += ["--refine=none", "--min_area=0.001"]
    assert command.main([*argv, f"--output={folder / 'out'}"]) == 0
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["images"] == 3
    assert f'"images": {metrics["images"]}' in capsys.readouterr().out
    settings = json.loads((folder / "out" / "settings.json").read_text())
    assert settings["version"] == uhseg_jax.__version__
    assert settings["config"]["num_superpixels"] == 12
    assert settings["refinement"]["refiners"] == "none"
    assert settings["refinement"]["min_area"] == 0.001
    argv += ["--protocol=hungarian", "--crop=30", "--num_regions=2"]
    assert command.main([*argv, f"--output={folder / 'matched'}"]) == 0
    metrics = json.loads((folder / "matched" / "metrics.json").read_text())
    assert 0 < metrics["full/hungarian_miou"] <= 1
    assert 1 <= metrics["mean_leaves"] <= 2
    settings = json.loads((folder / "matched" / "settings.json").read_text())
    assert settings["scoring"]["crop"] == 30


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        ([], 2, "--config, or --images and --masks"),
        (["--images=nowhere", "--masks=nowhere"], 1, "nowhere"),
        (["--colour=red"], 2, "colour"),
        (["--config=nowhere.py"], 1, "nowhere.py: expected a config file"),
        (["--config=x.py", "--model=dinov2_test"], 2, "--model; say --config.model="),
        (["--config=x.py", "--preset=paper"], 2, "not go with --preset"),
        (["--config=x.py", "--crop=9"], 2, "--crop; say --config.crop=VALUE"),
        (["--images=a", "--masks=b", "--crop=0"], 2, "crop=0"),
        (["--images=a", "--masks=b", "--protocol=greedy"], 2, "best_region|hungarian"),
        (["--images=a", "--masks=b", "--num_regions=3"], 2, "'hungarian'"),
        (["--config=x.py", "--images=a", "--masks=b"], 2, "with --images, --masks"),
        (["--config=x.py", "--taxonomy=t"], 2, "not go with --taxonomy"),
        (["--images=a", "--masks=b", "--data_dir=c"], 2, "not go with --data_dir"),
        (["--images=a", "--masks=b", "--config.model=c"], 2, "needs --config=FILE"),
        (["photos", "--config=x.py"], 2, "expected flags alone, but got photos"),
    ],
)
def test_command_lines_that_make_no_sense(argv, status, words, capsys):
    assert command.main(["uhseg-evaluate", *argv]) == status
    assert words in capsys.readouterr().err


def test_processes_that_do_not_meet_are_a_sentence(monkeypatch, capsys):
    def initialize(*args):
        raise RuntimeError("no coordinator")

    monkeypatch.setattr("jax.distributed.initialize", initialize)
    argv = ["uhseg-evaluate", "--distributed", "--images=a", "--masks=b"]
    assert command.main(argv) == 1
    assert "cannot start together (no coordinator)" in capsys.readouterr().err
