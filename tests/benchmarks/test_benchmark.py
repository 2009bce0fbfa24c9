import json

import pytest

from uhseg_jax.benchmarks import anchors, plot, sections
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.sections import DEFAULT_SECTIONS, SECTIONS, Section
from uhseg_jax.benchmarks.timing import Timing
from uhseg_jax.cli import benchmark
from uhseg_jax.registry import Registry


@pytest.fixture
def settings(monkeypatch):
    """Two sections that only keep what they were asked, and take no time."""
    kept = []

    def measured(setting):
        kept.append(setting)
        timings = {"ours": Timing((1.0, 2.0)), "theirs": Timing((4.0, 4.0))}
        return Record(
            timings=timings, figures=(Figure.ratio(timings, "ours", "theirs"),)
        )

    def nothing(setting):
        kept.append(setting)
        return Record(facts={"programs": 3})

    planted = Registry(
        "section",
        [Section("stages", "seconds", measured), Section("programs", "more", nothing)],
    )
    monkeypatch.setattr(benchmark, "SECTIONS", planted)
    return kept


def test_the_command_measures_the_sections_that_are_named(settings, tmp_path, capsys):
    figures, drawing = tmp_path / "figures.json", tmp_path / "figures.png"
    argv = ["uhseg-benchmark", "--sections=stages,programs", "--repeats=2"]
    argv += ["--method=diffusion_walk", "--preset=fixed", "--sizes=12,100"]
    argv += [f"--json={figures}", f"--plot={drawing}", "--dtype=bfloat16"]
    assert benchmark.main(argv) == 0
    assert settings[0].method == "diffusion_walk"
    assert settings[0].sizes == (12, 100)
    report = json.loads(figures.read_text())
    assert list(report["sections"]) == ["stages", "programs"]
    assert report["sections"]["stages"]["figures"][0]["value"] == 0.375
    assert report["setting"]["dtype"] == "bfloat16"
    assert report["machine"]["cores"] >= 1
    assert drawing.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "ours / theirs: 0.375" in said
    assert "programs: 3" in said


def test_without_matplotlib_a_sentence_says_what_pip_needs(
    settings, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(anchors.importlib.util, "find_spec", lambda name: None)
    drawing = tmp_path / "figures.png"
    argv = ["uhseg-benchmark", "--sections=stages", f"--plot={drawing}"]
    assert benchmark.main(argv) == 0
    assert not drawing.exists()
    assert "pip install matplotlib" in capsys.readouterr().err


def test_there_is_something_to_draw():
    with pytest.raises(ValueError, match="none to draw"):
        plot.draw("nowhere.png", {"programs": Record()})


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("photo.jpg", "photo.jpg"),
        ("--photo.jpg", "photo.jpg"),
        ("--sizes=12,many", "12,many"),
        ("--labels=", "numbers"),
        ("--dtype=float16", "float16"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(argument, said, capsys):
    assert benchmark.main(["uhseg-benchmark", argument]) == 2
    assert said in capsys.readouterr().err


def test_an_unknown_section_is_named(capsys):
    assert benchmark.main(["uhseg-benchmark", "--sections=stage"]) == 1
    assert "Did you mean 'stages'?" in capsys.readouterr().err


def test_the_help_lists_the_sections(capsys):
    assert benchmark.main(["uhseg-benchmark", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in SECTIONS)


def test_sections_of_many_minutes_are_not_measured_unasked():
    assert DEFAULT_SECTIONS[0] == "stages"
    assert not {"first", "folder", "throughput", "programs"} & set(DEFAULT_SECTIONS)
    assert sections.SECTIONS.find("first").summary
