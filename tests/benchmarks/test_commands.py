"""The sections that start the command, with processes that only pretend."""

import json

import block_method
import pytest

from uhseg_jax.benchmarks import first, folder, programs, scores
from uhseg_jax.benchmarks.commands import OURS, Command
from uhseg_jax.benchmarks.photographs import TWELVE
from uhseg_jax.benchmarks.programs import count_programs
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.processes import ProcessError

COUNTS = {"wall_s": 24.0, "programs": 11, "loaded": 0, "compile_s": 7.0}


@pytest.fixture
def commands(monkeypatch):
    """The arguments that commands were started with."""
    started = []

    def note(self, arguments):
        started.append((self.module, self.cache.name, self.checkout, arguments))

    def seconds(self, *arguments):
        note(self, arguments)
        return 5.0 if "uhseg_jax" in arguments[-1] else 4.0

    def watched(self, *arguments):
        note(self, arguments)
        return dict(COUNTS)

    monkeypatch.setattr(Command, "seconds", seconds)
    monkeypatch.setattr(Command, "watched", watched)
    return started


def test_the_first_photograph_waits_for_empty_caches(commands, tmp_path):
    setting = Setting(model="dinov2_test", baseline=tmp_path, repeats=2)
    record = first.measure_first(setting)
    assert list(record.timings) == [
        "ours: empty caches",
        "baseline: empty caches",
        "ours: warm caches",
        "baseline: warm caches",
    ]
    assert {x.of: x.aim for x in record.figures} == {
        "empty caches": 20.0,
        "compiling, empty caches": 10.0,
        "warm caches": 6.0,
        "import": 2.0,
    }
    assert record.facts["import_s"] == {"ours": 1.0, "baseline": 1.0}
    # Versions take turns, each with a cache of its own.
    turns = [x[2] for x in commands[:6]]
    assert turns == [OURS, tmp_path] * 3
    assert all("--checkpoint_dir=" in str(x[3]) for x in commands[:6])


def test_weights_are_fetched_once(commands):
    first.measure_first(Setting(model="dinov2_test", fetch=True, repeats=1))
    segmenting = [x[3] for x in commands if x[0] != "timeit"]
    assert not any("checkpoint_dir" in x for x in " ".join(segmenting[0]).split())
    assert all("--checkpoint_dir" in x[-1] for x in segmenting[-2:])


def test_a_folder_has_seconds_an_image(commands, tmp_path):
    setting = Setting(model="dinov2_test", baseline=tmp_path)
    record = folder.measure_folder(setting)
    assert record.facts["images"] == len(TWELVE)
    assert record.timings["ours: warm caches, s an image"].median == 2.0
    assert [x.value for x in record.figures] == [1.0, 1.0]
    assert record.facts["ours: empty caches"] == COUNTS


def test_programs_are_counted_after_so_many_sizes():
    sizes = [(20, 30), (24, 30), (24, 32), (40, 30)]
    counts = dict(count_programs(block_method.segmenter, sizes, (2, 4)))
    assert list(counts) == [2, 4]
    # What the first two compiled serves all sizes.
    assert counts[2]["programs"] == counts[4]["programs"]
    assert counts[4]["leaves"] == [4, 4]
    assert counts[4]["resident_gb"] > 0.05


def test_every_case_of_programs_is_a_process(monkeypatch):
    asked = []

    class Done:
        returncode = 0
        stdout = '{"12 sizes": {"programs": 4}}\n'

    def run_module(module, arguments):
        asked.append(json.loads(arguments[0]))
        return Done()

    monkeypatch.setattr(programs, "run_module", run_module)
    record = programs.measure_programs(Setting(sizes=(100, 12)))
    assert [x["refine"] for x in asked] == [None, "pamr,crf"]
    assert all(x["sizes"] == [12, 100] for x in asked)
    assert record.facts["region_merging default"] == {"12 sizes": {"programs": 4}}
    programs.measure_programs(Setting(anchors=False))
    assert len(asked) == 3


def test_the_small_backbone_has_the_blocks_that_are_wanted():
    case = programs.Case("x", "region_merging", "default", None, "dinov2_test", (1,))
    assert isinstance(case.segmenter(), Segmenter)


def test_scores_stand_beside_the_seconds_of_both_dtypes(monkeypatch):
    def run_module(module, arguments):
        output = next(x for x in arguments if x.startswith("--output=")).split("=")[1]
        score = 0.5 if "--dtype=float32" in arguments else 0.25
        with open(f"{output}/{scores.score_files.METRICS}", "w") as file:
            json.dump({"full/miou": score, "full/nothing": None, "images": 3}, file)
        return type("Done", (), {"returncode": 0, "stderr": ""})

    monkeypatch.setattr(scores, "run_module", run_module)
    monkeypatch.setattr(scores, "_HEIGHT", 60)
    monkeypatch.setattr(scores, "_WIDTH", 80)
    record = scores.measure_scores(Setting(evaluate="--images=/a --masks='/b c'"))
    assert record.facts["boundaries"]["image_s"] > 0
    assert record.facts["float32"]["scores"] == {"full/miou": 0.5}
    assert record.facts["bfloat16"]["above float32"] == {"full/miou": -0.25}
    assert "--evaluate" in scores.measure_scores(Setting()).notes[0]


def test_an_evaluation_that_fails_says_why(monkeypatch):
    done = type("Done", (), {"returncode": 1, "stderr": "no such dataset"})
    monkeypatch.setattr(scores, "run_module", lambda module, arguments: done)
    monkeypatch.setattr(scores, "_time_boundaries", dict)
    with pytest.raises(ProcessError, match="no such dataset"):
        scores.measure_scores(Setting(evaluate="--images=/a"))
