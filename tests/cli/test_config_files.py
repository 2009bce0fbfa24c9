"""`uhseg-evaluate --config=FILE` and the flags that override the file."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uhseg_jax.cli import evaluate as command
from uhseg_jax.cli.config_files import ConfigError, read_config
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.protocols import Scoring

CAMVID = Path(__file__).parents[2] / "configs" / "camvid.py"
SMALL = [
    *("--config.model=dinov2_test", "--config.parameters.request.grid=6"),
    *("--config.parameters.request.blocks=-1", "--config.parameters.num_vectors=4"),
    *("--config.parameters.num_superpixels=12", "--refine=upsample"),
]


@pytest.fixture
def camvid(tmp_path):
    """Two images of CamVid's val."""
    rng = np.random.default_rng(0)
    for name in ("0016E5_1", "0016E5_2"):
        pixels = rng.integers(0, 256, (36, 48, 3), np.uint8)
        ids = np.repeat(np.arange(12, dtype=np.uint8), 3)[:, None].repeat(48, 1)
        for folder, array in (("val", pixels), ("valannot", ids)):
            path = tmp_path / "CamVid" / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return tmp_path


def test_the_command_scores_what_a_config_names(camvid, capsys):
    output = camvid / "scores"
    argv = ["uhseg-evaluate", f"--config={CAMVID}", f"--output={output}"]
    argv += [f"--data_dir={camvid / 'prepared'}", f"--manual_dir={camvid}", *SMALL]
    assert command.main(argv) == 0, capsys.readouterr().err
    assert json.loads((output / "metrics.json").read_text())["images"] == 2
    settings = json.loads((output / "run.json").read_text())
    assert (settings["dataset"], settings["model"]) == ("camvid", "dinov2_test")
    request = settings["config"]["request"]
    assert (request["grid"], request["blocks"]) == (6, [-1])
    assert command.main([*argv, "--config.parameters.seed=1"]) == 1
    assert "seed 0 there and 1 now" in capsys.readouterr().err


def test_the_data_folder_may_hold_the_original_files(camvid, monkeypatch, capsys):
    monkeypatch.setenv("UHSEG_CACHE", str(camvid / "cache"))
    output = camvid / "scores"
    argv = ["uhseg-evaluate", f"--config={CAMVID}", f"--output={output}", *SMALL]
    assert command.main([*argv, f"--data_dir={camvid}"]) == 0, capsys.readouterr().err
    assert json.loads((output / "metrics.json").read_text())["images"] == 2
    assert command.main([*argv, f"--data_dir={camvid / 'empty'}", "--overwrite"]) == 1
    assert "val" in capsys.readouterr().err


def test_overrides_are_read_by_the_kinds_of_the_fields():
    def parameters(*texts):
        overrides = [f"parameters.{text}" for text in texts]
        return read_config(CAMVID, overrides).parameters

    assert parameters("request.grid=40x60").request.grid == (40, 60)
    assert parameters("request.blocks=-1,-3").request.blocks == (-1, -3)
    assert parameters("max_regions=5", "seed=2").max_regions == 5
    assert parameters("num_vectors=none").num_vectors is None
    assert parameters("request.normed=true").request.normed is True
    assert read_config(CAMVID, ["split=test"]).split == "test"


def test_a_config_says_how_to_score(camvid, tmp_path, capsys):
    path = tmp_path / "mine.py"
    fields = "protocol='hungarian', crop=28, names='list.txt'"
    path.write_text(
        HEAD + f"ConfigDict(dict({TEXTS}{METHOD}parameters={{}}, {fields}))"
    )
    said = read_config(path)
    assert said.scoring == Scoring("hungarian", crop=28)
    assert said.names == "list.txt"
    (tmp_path / "one.txt").write_text("0016E5_2\n")
    overrides = ["crop=none", "num_regions=3", f"names={tmp_path / 'one.txt'}"]
    said = read_config(path, overrides)
    assert said.scoring == Scoring("hungarian", num_regions=3)
    argv = ["uhseg-evaluate", f"--config={path}", f"--output={tmp_path / 'scores'}"]
    argv += [f"--data_dir={tmp_path / 'prepared'}", f"--manual_dir={camvid}", *SMALL]
    argv += [f"--config.{text}" for text in (*overrides, "crop=28")]
    assert command.main(argv) == 0, capsys.readouterr().err
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert 0 < metrics["full/hungarian_pacc"] <= 1
    assert metrics["images"] == 1
    assert metrics["mean_leaves"] <= 3
    assert command.main([*argv, "--boundaries"]) == 2
    assert (
        "takes no boundaries, which goes with 'best_region'" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crop=wide", "--config.crop expects int"),
        ("protocol=greedy", "--config: protocol must be"),
        ("num_regions=3", "takes no num_regions, which goes with 'hungarian'"),
        (
            "names",
            "--config.NAME=VALUE",
        ),
        ("parameters.colour=1", "--config.parameters: there is no parameter 'colour'"),
        ("parameters.seed=red", "--config.parameters.seed expects int"),
        ("parameters.seed", "--config.NAME=VALUE"),
        ("colour=1", "no parameter 'colour'. There are "),
        ("spilt=x", "no parameter 'spilt'. Did you mean 'split'?"),
        ("parameters=1", "--config.parameters.NAME=VALUE"),
        ("model", "--config.NAME=VALUE"),
    ],
)
def test_overrides_of_nothing_are_refused(text, words, capsys):
    with pytest.raises(UsageError, match=words):
        read_config(CAMVID, [text])
    argv = ["uhseg-evaluate", f"--config={CAMVID}", f"--config.{text}"]
    assert command.main(argv) == 2
    assert words in capsys.readouterr().err


HEAD = "from ml_collections import ConfigDict\ndef get_config():\n    return "
TEXTS = "dataset='camvid', split='val', model='dinov2_test', "
METHOD = "method='recursive_spectral', "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"expected a function get_config\(\)"),
        ("def get_config(:", r"cannot be loaded \(SyntaxError"),
        ("import no_such_module", r"\(ModuleNotFoundError: .*no_such_module"),
        (HEAD + "1 / 0", r"cannot be loaded \(ZeroDivisionError"),
        (HEAD + "{}", "it returned dict"),
        (HEAD + "ConfigDict({'dataset': 'camvid'})", "lacks method, model, param.*spl"),
        (HEAD + f"ConfigDict(dict({TEXTS}{METHOD}parameters={{}}, x=1))", "has x;"),
        (HEAD + f"ConfigDict(dict({TEXTS}{METHOD}parameters=3))", "parameters to name"),
        (
            HEAD + f"ConfigDict(dict({TEXTS}method=3, parameters={{}}))",
            "method must",
        ),
        (HEAD + f"ConfigDict(dict({TEXTS}{METHOD}parameters={{'hue': 1}}))", "hue"),
        (
            HEAD + f"ConfigDict(dict({TEXTS}{METHOD}parameters={{}}, crop=-1))",
            "crop mu",
        ),
        (
            HEAD + f"ConfigDict(dict({TEXTS}{METHOD}parameters={{}}, names=3))",
            "names must",
        ),
    ],
)
def test_files_that_are_no_configs_are_named(text, words, tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"mine\.py: .*{words}"):
        read_config(path)
    assert command.main(["uhseg-evaluate", f"--config={path}"]) == 1
    assert "mine.py: " in capsys.readouterr().err


def test_a_file_of_another_kind_is_no_config(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("dataset: camvid")
    with pytest.raises(ConfigError, match="expected a Python file"):
        read_config(path)
