import csv
import dataclasses
import functools
import json
import shutil

import block_method
import numpy as np
import pytest
from PIL import Image
from small_runs import CONFIG

from uhseg_jax import workers
from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.datasets.views import CroppedSource
from uhseg_jax.files import sha256_of
from uhseg_jax.methods import region_merging
from uhseg_jax.metrics import boundary, overlap, regions, scales
from uhseg_jax.metrics.boundary import BoundaryState
from uhseg_jax.metrics.matching import ImageMatchingState, match_image
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import Scoring, gallery
from uhseg_jax.protocols.sheets import read_sheet
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.runs import bootstrap, flow, hosts
from uhseg_jax.runs.evaluate import evaluate, seeded
from uhseg_jax.runs.record import RunError
from uhseg_jax.taxonomy import Taxonomy

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


class Annotated(Shapes):
    """The same shapes cut by two people, the second less finely."""

    def __getitem__(self, index):
        example = super().__getitem__(index)
        people = np.stack([example.labels.astype(np.int32), example.labels > 0])
        return dataclasses.replace(example, annotations=people.astype(np.uint16))


MATCHED = Scoring("hungarian", crop=42)


@pytest.fixture(autouse=True, scope="module")
def _few_resamples():
    """Twenty in place of a thousand, which would take most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        few = functools.partial(bootstrap.weights, count=20)
        patch.setattr(bootstrap, "weights", few)
        yield


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.create(
        model="dinov2_test",
        method="recursive_spectral",
        config=CONFIG,
        refine="upsample",
    )


@pytest.fixture(scope="module")
def found(segmenter):
    """The shapes and what the method finds in them."""
    examples = [Shapes()[index] for index in range(5)]
    return [(x, segmenter([x.image])[0]) for x in examples]


@pytest.fixture(scope="module")
def whole(segmenter, tmp_path_factory):
    """The folder of a finished evaluation, which is not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    metrics = evaluate(segmenter, Shapes(), folder)
    assert read_json(folder / "metrics.json") == metrics
    return folder


@pytest.fixture
def truths(monkeypatch):
    """The ground truths that the gallery draws."""
    truths, draw = [], gallery.overlay

    def overlay(image, tree, *, truth, **kwargs):
        truths.append(truth)
        return draw(image, tree, truth=truth, **kwargs)

    monkeypatch.setattr(gallery, "overlay", overlay)
    return truths


def read_json(path):
    return json.loads(path.read_text())


def rows(folder, name="per_image.csv"):
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {
        p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def assert_same_files(ours, theirs):
    for name in ("metrics.json", "per_image.csv", "bootstrap.npz", "curves.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_scores_are_those_of_the_metrics_image_by_image(found, whole):
    metrics, classes = read_json(whole / "metrics.json"), Shapes().taxonomy.flat()
    grid, full = (overlap.OverlapState.empty(classes.num_classes) for _ in range(2))
    for example, result in found:
        truth = classes.encode(example.labels)
        small = resize_labels(truth, result.grid.labels.shape)
        grid = grid.update(overlap.score_image(result.grid, small, num_classes=3))
        full = full.update(overlap.score_image(result.tree, truth, num_classes=3))
    for resolution, state in (("grid", grid), ("full", full)):
        for name, value in state.compute().items():
            assert metrics[name if name in metrics else f"{resolution}/{name}"] == value
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    expected = {"miou", "pacc", "macc", "fiou", "nmcovering"}
    expected |= {f"nmcovering_at_{n}" for n in scales.NUM_REGIONS}
    for resolution in ("grid", "full"):
        assert {
            k.partition("/")[2] for k in metrics if k.startswith(resolution)
        } == expected
    table = rows(whole)
    assert [row["name"] for row in table] == [f"shape {i}" for i in range(5)]
    scored = [float(r["full/nmcovering"]) for r in table if r["name"] != "shape 3"]
    assert np.mean(scored) == pytest.approx(metrics["full/nmcovering"], abs=1e-9)


def test_scores_of_resampled_images_are_those_of_these_images(
    segmenter, whole, tmp_path
):
    found = bootstrap.read(whole / "bootstrap.npz")
    metrics = read_json(whole / "metrics.json")
    assert list(found.scores) == list(metrics)
    assert found.images == 5
    drawn = next(bootstrap.weights(5))
    chosen = np.repeat(np.arange(5), drawn)

    class Drawn(Shapes):
        def __getitem__(self, index):
            return super().__getitem__(int(chosen[index]))

    ours = evaluate(segmenter, Drawn(), tmp_path, drawings=0)
    assert {key: x[0] for key, x in found.scores.items()} == pytest.approx(ours)
    assert read_json(whole / "curves.json") == {
        "ranked_by": "full/nmcovering",
        "curves": {},
    }


def test_boundaries_of_classes_are_scored_where_asked_for(found, segmenter, tmp_path):
    metrics = evaluate(segmenter, Shapes(), tmp_path, scoring=Scoring(boundaries=True))
    state = BoundaryState.empty(len(scales.NUM_REGIONS))
    for example, result in (*found[:3], found[4]):  # 3: nothing counts
        truth = example.labels.astype(np.int64)
        truth[:2] = truth[2]  # void rows take what lies below
        stack = scales.cut_stack(result.tree)
        state = state.update(boundary.score_stack(stack, [truth]))
    wanted = state.compute()
    for name in ("boundary_ods", "boundary_ois", "boundary_ap"):
        assert metrics[f"full/{name}"] == wanted[name]
        assert f"grid/{name}" not in metrics
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    curve = read_json(tmp_path / "curves.json")["curves"]["full/boundaries"]
    assert (curve["x_name"], curve["y_name"]) == ("recall", "precision")
    np.testing.assert_allclose([curve["x"], curve["y"]], state.curve())


def test_regions_of_several_people_are_scored_as_bsds_does(found, segmenter, tmp_path):
    source = Annotated(3)
    metrics = evaluate(segmenter, source, tmp_path)
    state = regions.RegionState.empty(len(scales.NUM_REGIONS))
    for index, (_, result) in enumerate(found[:3]):
        people = list(source[index].annotations.astype(np.int64))
        state = state.update(regions.score_tree(result.tree, people))
    for name, value in state.compute().items():
        assert metrics[name if name == "images" else f"full/{name}"] == value
    assert 0 <= metrics["full/boundary_ods"] <= 1
    assert metrics["mean_nodes"] > 0
    assert not any(key.startswith("grid/") for key in metrics)
    assert evaluate(segmenter, source, tmp_path) == metrics


@pytest.mark.slow
def test_boundaries_are_matched_in_processes_as_they_are_here(
    segmenter, tmp_path, monkeypatch
):
    here, there, stopped = (tmp_path / x for x in ("here", "there", "stopped"))
    evaluate(segmenter, Annotated(2), here)
    monkeypatch.setattr(workers, "_SLOW", -1.0)
    calls, call = [], workers._Worker.call
    monkeypatch.setattr(
        workers._Worker, "call", lambda *args: calls.append(args) or call(*args)
    )
    monkeypatch.setattr(flow, "host_threads", lambda: 1)  # one after the other
    evaluate(segmenter, Annotated(2), there)
    assert calls
    assert_same_files(there, here)
    count = boundary.count_matches
    monkeypatch.setattr(boundary, "count_matches", lambda *args: count(*args))
    with pytest.raises(RunError, match=r"(?s)shape \d: it could not .*test_evaluate"):
        evaluate(segmenter, Annotated(2), stopped)


def test_matched_segments_are_scored_on_the_crops(segmenter, tmp_path, truths):
    metrics = evaluate(segmenter, Shapes(), tmp_path, scoring=MATCHED)
    cropped, counts = CroppedSource(Shapes(), side=42), []
    state = ImageMatchingState.empty(3)
    for example in (cropped[index] for index in range(5)):
        labels = segmenter([example.image])[0].tree.labels
        truth = cropped.taxonomy.flat().encode(example.labels)
        state = state.update(match_image(labels, truth, num_classes=3))
        counts.append(np.unique(labels).size)
    for name in ("miou", "pacc"):
        assert metrics[f"full/hungarian_{name}"] == state.compute()[name]
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    assert metrics["mean_leaves"] == np.mean(counts[:3] + counts[4:])
    assert {key.partition("/")[0] for key in metrics} == {
        *("full", "grid", "images", "skipped", "mean_leaves")
    }
    assert [truth.shape for truth in truths] == [(42, 42)] * 4
    assert read_json(tmp_path / "metrics.json") == metrics


def test_the_worst_and_best_images_are_drawn(segmenter, whole, tmp_path):
    drawn = sorted(path.name for path in (whole / "images").iterdir())
    assert drawn == ["best-1.png", "best-2.png", "worst-1.png", "worst-2.png"]
    assert rows(whole)[3]["full/nmcovering"] == "nan"  # so that is not drawn
    with Image.open(whole / "images" / "worst-1.png") as sheet:
        assert sheet.width > 2 * 60  # image, ground truth and two levels
    again = shutil.copytree(whole, tmp_path / "again")
    best, worst = (again / "images" / f"{x}-1.png" for x in ("best", "worst"))
    (again / "images" / "best-2.png").unlink()
    best.write_bytes(best.read_bytes()[:-99])
    worst.write_bytes((again / "images" / "worst-2.png").read_bytes())  # of another
    evaluate(segmenter, Shapes(), again)
    assert contents(again) == contents(whole)


def test_small_drawings_are_made_of_images_as_they_are_scored(
    segmenter, whole, tmp_path
):
    sheets = sorted((whole / "sheets").iterdir())
    assert [x.name for x in sheets] == [f"{i:06}.jpg" for i in range(5)]
    panels = read_sheet(sheets[0])
    assert list(panels)[:2] == ["Image", "Ground truth"]
    assert len(panels) > 2
    again, source = shutil.copytree(whole, tmp_path / "again"), Shapes()
    first, second, third = (again / "sheets" / x.name for x in sheets[:3])
    first.unlink()
    second.write_bytes(second.read_bytes()[:-99])
    third.write_bytes(sheets[3].read_bytes())  # of another
    evaluate(segmenter, source, again)
    assert contents(again) == contents(whole)
    assert source.reads == [0, 0, 1, 2]  # the first look tells how to score
    few = tmp_path / "few"
    evaluate(segmenter, Shapes(), few, drawings=2)
    assert sorted(x.name for x in (few / "sheets").iterdir()) == [
        *("000000.jpg", "000004.jpg")
    ]
    evaluate(segmenter, Shapes(), few, drawings=0)
    assert len(list((few / "sheets").iterdir())) == 2
    evaluate(segmenter, Shapes(), few, scoring=MATCHED, overwrite=True, drawings=1)
    assert [x.name for x in (few / "sheets").iterdir()] == ["000000.jpg"]


def test_scores_stand_without_small_drawings(segmenter, tmp_path):
    def get_in_the_way(*progress):
        if not (tmp_path / "sheets").exists():
            (tmp_path / "sheets").write_text("in the way")

    ours = Shapes(2)
    monkey = ours.fingerprint
    ours.fingerprint = lambda: (get_in_the_way(), monkey())[1]
    with pytest.raises(RunError, match=r"sheets.*: Not a directory"):
        evaluate(segmenter, ours, tmp_path)
    (tmp_path / "sheets").unlink()
    evaluate(segmenter, Shapes(2), tmp_path)
    assert len(list((tmp_path / "sheets").iterdir())) == 2


def test_a_method_without_a_seed_is_scored_once(tmp_path):
    metrics = evaluate(block_method.segmenter(), Shapes(2), tmp_path)
    assert metrics["images"] == 2
    assert not list(tmp_path.glob("seed-*"))
    with pytest.raises(RunError, match="leave num_seeds out"):
        evaluate(
            block_method.segmenter(),
            Shapes(2),
            tmp_path / "again",
            scoring=Scoring(num_seeds=2),
        )


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_a_gallery_that_was_not_finished_is_completed(
    num_seeds, segmenter, tmp_path, monkeypatch
):
    scoring, draw, drawn = Scoring(num_seeds=num_seeds), gallery.overlay, []

    def overlay(*args, **kwargs):
        drawn.append(args)
        if len(drawn) == 2 * num_seeds:
            raise KeyboardInterrupt
        return draw(*args, **kwargs)

    def evaluated():
        return evaluate(segmenter, Shapes(2), tmp_path, scoring=scoring)

    monkeypatch.setattr(gallery, "overlay", overlay)
    with pytest.raises(KeyboardInterrupt):
        evaluated()
    tables = {p: p.read_bytes() for p in tmp_path.rglob("per_image.csv")}
    assert len(tables) == num_seeds
    evaluated()
    names = ["best-1.png", "worst-1.png"] * num_seeds
    assert sorted(x.name for x in tmp_path.rglob("*.png")) == sorted(names)
    assert len(list(tmp_path.rglob("sheets/*.jpg"))) == 2 * num_seeds
    assert len(drawn) == 2 * num_seeds + 1  # what was whole is not drawn again
    before = contents(tmp_path)
    evaluated()
    assert contents(tmp_path) == before
    assert len(drawn) == 2 * num_seeds + 1


def test_drawings_show_classes_and_what_does_not_count(segmenter, tmp_path, truths):
    evaluate(segmenter, Shapes(2), tmp_path / "classes")
    assert len(truths) == 2
    assert all(np.unique(truth).tolist() == [-1, 0, 1, 2] for truth in truths)
    truths.clear()
    evaluate(segmenter, Annotated(2), tmp_path / "regions")
    assert all(np.unique(truth).tolist() == [0, 1, 2, 255] for truth in truths)


def test_scores_stand_without_drawings(segmenter, tmp_path):
    def get_in_the_way(*progress):
        (tmp_path / "images").write_text("in the way")

    with pytest.raises(RunError, match=r"scores are complete .* could not be drawn"):
        evaluate(segmenter, Shapes(2), tmp_path, on_image=get_in_the_way)
    with pytest.raises(RunError, match=r"worst-1\.png: .*: Not a directory"):
        evaluate(segmenter, Shapes(2), tmp_path)
    scores = (tmp_path / "metrics.json").read_bytes()
    (tmp_path / "images").unlink()
    evaluate(segmenter, Shapes(2), tmp_path)
    assert (tmp_path / "metrics.json").read_bytes() == scores
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_hierarchies_are_scored_as_well(segmenter, tmp_path):
    metrics = evaluate(segmenter, Shapes(taxonomy=NESTED), tmp_path)
    for resolution in ("grid", "full"):
        assert (
            0
            < metrics[f"{resolution}/nhcovering"]
            <= metrics[f"{resolution}/tree_nmcovering"]
        )
        assert {f"{resolution}/tree_miou", f"{resolution}/tree_pacc"} <= metrics.keys()


def test_nothing_to_score_is_null_in_json(segmenter, tmp_path):
    ids = "".join(f"{i} = {i} ignore\n" for i in (0, 1, 2, 255))
    metrics = evaluate(segmenter, Shapes(1, taxonomy=f"other = 9\n{ids}"), tmp_path)
    assert np.isnan(metrics["full/miou"])
    assert metrics["skipped"] == 1
    assert read_json(tmp_path / "metrics.json")["full/miou"] is None


@pytest.mark.parametrize("scoring", [Scoring(), MATCHED], ids=["regions", "matched"])
def test_a_stopped_evaluation_goes_on_and_ends_the_same(
    scoring, segmenter, whole, tmp_path
):
    if scoring == MATCHED:
        whole = tmp_path / "whole"
        evaluate(segmenter, Shapes(), whole, scoring=scoring)
    parts = tmp_path / "parts"
    with pytest.raises(DatasetError, match="shape 2"):
        evaluate(segmenter, Shapes(fails_at=2), parts, scoring=scoring)
    assert not (parts / "metrics.json").exists()
    source, seen = Shapes(), []
    evaluate(
        segmenter,
        source,
        parts,
        scoring=scoring,
        batch_size=2,
        on_image=lambda *progress: seen.append(progress[:3]),
    )
    assert seen == [(0, "scores", done) for done in (3, 4, 5)]
    assert source.reads[1:4] == [2, 3, 4]  # the first look tells how to score
    assert_same_files(parts, whole)
    with pytest.raises(RunError, match=r"scoring\.crop"):
        evaluate(segmenter, Shapes(), parts, scoring=Scoring("hungarian", crop=41))


def test_only_methods_with_a_seed_have_several():
    assert (
        [x.seed for x in seeded(CONFIG, 2).values()] == [0, 1] == [*seeded(CONFIG, 2)]
    )
    config = region_merging.default()
    assert seeded(config, 1) == {0: config}
    with pytest.raises(RunError, match="of which 2 runs"):
        seeded(config, 2)


def test_scores_of_other_settings_or_images_are_not_mixed(segmenter, tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in "012":
            Image.new("L", (60, 40)).save(tmp_path / folder / f"{name}.png")

    def evaluated(*names, **kwargs):
        source = FolderSource(tmp_path / "images", tmp_path / "masks", names=names)
        return evaluate(segmenter, source, tmp_path / "out", **kwargs)["images"]

    assert evaluated("0") == 1
    with pytest.raises(RunError, match="examples 1 there and 2 now; fingerprint"):
        evaluated("0", "1")
    with pytest.raises(RunError, match=r"settings .fingerprint .{64} there and"):
        evaluated("1")
    assert evaluated("1", "2", overwrite=True) == 2
    Image.new("L", (60, 40), 1).save(tmp_path / "masks" / "2.png")
    with pytest.raises(RunError, match="fingerprint"):
        evaluated("1", "2")


@pytest.mark.parametrize(
    ("name", "num_seeds"),
    [
        *(("images-0.jsonl", 1), ("metrics.json", 1), ("per_image.csv", 1)),
        *(("images/worst-1.png", 1), ("metrics.json", 2), ("seed-1/metrics.json", 2)),
        *(("bootstrap.npz", 1), ("curves.json", 1), ("sheets/000001.jpg", 1)),
    ],
)
def test_files_that_no_evaluation_wrote_stop_it_before_any_work(
    name, num_seeds, segmenter, tmp_path
):
    source, scoring = Shapes(2), Scoring(num_seeds=num_seeds)
    theirs = tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("{}\n")
    with pytest.raises(RunError, match=rf"{name}: the file is there, but no run"):
        evaluate(segmenter, source, tmp_path, scoring=scoring)
    assert source.reads == []
    assert theirs.read_text() == "{}\n"
    kwargs = {"scoring": scoring, "overwrite": True}
    assert evaluate(segmenter, source, tmp_path, **kwargs)["images"] == 2
    assert theirs.read_bytes() != b"{}\n"


@pytest.mark.parametrize("name", ["metrics.json", "images-0.jsonl", "run.json"])
def test_folders_of_the_names_of_results_stop_it_before_any_work(
    name, segmenter, tmp_path
):
    (tmp_path / name).mkdir()
    for overwrite in (False, True):
        source = Shapes(2)
        with pytest.raises(RunError, match=rf"{name}: .* this is a folder"):
            evaluate(segmenter, source, tmp_path, overwrite=overwrite)
        assert source.reads == []


def test_files_that_are_none_of_ours_are_neither_read_nor_deleted(
    segmenter, whole, tmp_path
):
    ours = shutil.copytree(whole, tmp_path / "ours")
    theirs = [ours / "images-train.jsonl", ours / "images" / "mine.png"]
    theirs += [ours / "seed-7" / "metrics.json", ours / "images-1.jsonl"]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
    copies = {
        ours / "images-20250101.jsonl": (ours / "images-0.jsonl").read_bytes(),
        ours / "images" / "figure.png": (ours / "images" / "best-1.png").read_bytes(),
        ours / "seed-7" / "images-0.jsonl": (ours / "images-0.jsonl").read_bytes(),
    }
    for path, content in copies.items():
        path.write_bytes(content)
    notes = []
    evaluate(segmenter, Shapes(), ours, on_note=notes.append)
    kwargs = {"scoring": MATCHED, "overwrite": True}
    with pytest.raises(DatasetError):
        evaluate(segmenter, Shapes(fails_at=0), ours, **kwargs)
    assert notes == []
    assert all(path.read_text() == "{}\n" for path in theirs)
    assert all(path.read_bytes() == content for path, content in copies.items())
    left = {x for x in ours.rglob("*") if x.is_file()} - {*theirs, *copies}
    # What was ours went before the new settings came into force.
    assert {x.name for x in left} == {"run.json", "images-0.jsonl"}
    assert (ours / "images-0.jsonl").read_bytes() == b""


def test_damaged_scores_are_told_and_found_again(segmenter, whole, tmp_path):
    ours, notes = shutil.copytree(whole, tmp_path / "ours"), []
    journal = ours / "images-0.jsonl"
    lines = journal.read_bytes().replace(b"shape 1", b"shape\xff1")
    journal.write_bytes(lines.replace(b'"index": 3', b'"index": 4'))
    source = Shapes()
    evaluate(segmenter, source, ours, on_note=notes.append)
    assert_same_files(ours, whole)
    assert {1, 3} <= {*source.reads}
    assert len(notes) == 1
    assert f"{journal}: 2 lines are damaged" in notes[0]


def test_images_are_resampled_again_only_where_that_is_missing(
    segmenter, whole, tmp_path, monkeypatch
):
    ours, made = shutil.copytree(whole, tmp_path / "ours"), []
    resample = bootstrap.resample

    def counted(*args, **kwargs):
        made.append(args)
        return resample(*args, **kwargs)

    monkeypatch.setattr(bootstrap, "resample", counted)
    evaluate(segmenter, Shapes(), ours)
    assert made == []
    (ours / "bootstrap.npz").unlink()
    evaluate(segmenter, Shapes(), ours)
    assert len(made) == 1
    evaluate(segmenter, Shapes(), ours, overwrite=True)
    assert len(made) == 2
    assert_same_files(ours, whole)


def test_tables_of_earlier_versions_go_if_they_are_recorded(segmenter, whole, tmp_path):
    for is_recorded in (True, False):
        ours = shutil.copytree(whole, tmp_path / str(is_recorded))
        path, record = ours / "leave_one_out.csv", read_json(ours / "run.json")
        path.write_text("name\n")
        if is_recorded:
            record["files"][path.name] = [sha256_of(path)]
            (ours / "run.json").write_text(json.dumps(record))
        evaluate(segmenter, Shapes(), ours)
        assert path.exists()  # nothing is made anew
        evaluate(segmenter, Shapes(), ours, overwrite=True)
        assert path.exists() != is_recorded


def test_two_evaluations_at_once_are_refused(segmenter, tmp_path):
    errors = []

    def again(*progress):
        for kwargs in ({}, {"scoring": MATCHED}, {"overwrite": True}):
            with pytest.raises(RunError) as caught:
                evaluate(segmenter, Shapes(2), tmp_path, **kwargs)
            errors.append(str(caught.value))

    evaluate(segmenter, Shapes(2), tmp_path, on_image=again)
    assert "images-0.jsonl: another evaluation scores into this folder" in errors[0]
    assert "with other settings (scoring." in errors[1]
    assert "another run works in this folder; wait" in errors[2]
    assert len(rows(tmp_path)) == 2


def test_overwriting_forgets_the_scores_of_every_process(
    segmenter, tmp_path, monkeypatch
):
    monkeypatch.setattr(hosts, "index", lambda: 1)
    monkeypatch.setattr(hosts, "count", lambda: 2)
    monkeypatch.setattr(hosts, "gather", lambda words: np.stack([words, words]))
    read = []
    for overwrite in (False, True):
        source = Shapes(2)  # the second process has a folder of its own
        evaluate(segmenter, source, tmp_path, overwrite=overwrite)
        read.append(source.reads)
    assert read[0] == read[1]
    assert [x.name for x in tmp_path.glob("*.jsonl")] == ["images-1.jsonl"]


def test_names_of_any_kind_come_back_from_the_table(segmenter, tmp_path):
    names = ['=1+1, "two"\nlines\r', "caf\udce9"]

    class Named(Shapes):
        def __getitem__(self, index):
            return dataclasses.replace(super().__getitem__(index), name=names[index])

    evaluate(segmenter, Named(2), tmp_path)
    assert [row["name"] for row in rows(tmp_path)] == [names[0], r"caf\udce9"]


def test_unknown_ids_name_the_example(segmenter, tmp_path):
    source = Shapes(1, taxonomy="background = 0 background\nleft = 1\n")
    with pytest.raises(DatasetError, match=r"shape 0: .*2 \("):
        evaluate(segmenter, source, tmp_path)
