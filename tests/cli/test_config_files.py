"""`uhseg-evaluate --config=FILE` and the flags that override the file."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uhseg_jax.cli import evaluate as command
from uhseg_jax.cli.config_files import ConfigError, read_config
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.methods import METHODS
from uhseg_jax.protocols import Scoring

HEAD = "from ml_collections import ConfigDict\ndef get_config():\n    return "
CAMVID = Path(__file__).parents[2] / "configs" / "camvid.py"
SMALL = [
    *("--config.model=dinov2_test", "--config.parameters.request.grid=6"),
    *("--config.parameters.request.blocks=-1", "--config.parameters.num_vectors=4"),
    *("--config.parameters.num_superpixels=12", "--config.parameters.max_ncut=1.0"),
    "--refine=upsample",
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


def evaluated(config, *flags, output):
    argv = [f"--config={config}", f"--output={output}", *SMALL, *map(str, flags)]
    return command.main(["uhseg-evaluate", *argv])


def test_the_command_scores_what_a_config_names(camvid, monkeypatch, capsys):
    output = camvid / "scores"
    folders = (f"--data_dir={camvid / 'prepared'}", f"--manual_dir={camvid}")
    assert evaluated(CAMVID, *folders, output=output) == 0, capsys.readouterr().err
    assert json.loads((output / "metrics.json").read_text())["images"] == 2
    settings = json.loads((output / "run.json").read_text())
    assert (settings["dataset"], settings["model"]) == ("camvid", "dinov2_test")
    request = settings["config"]["request"]
    assert (request["grid"], request["blocks"]) == (6, [-1])
    other = "--config.parameters.seed=1"
    assert evaluated(CAMVID, *folders, other, output=output) == 1
    assert "seed 0 there and 1 now" in capsys.readouterr().err
    # The data folder may hold the original files.
    monkeypatch.setenv("UHSEG_CACHE", str(camvid / "cache"))
    other = camvid / "again"
    assert evaluated(CAMVID, f"--data_dir={camvid}", output=other) == 0
    metrics = [(x / "metrics.json").read_bytes() for x in (output, other)]
    assert metrics[0] == metrics[1]
    capsys.readouterr()
    assert evaluated(CAMVID, f"--data_dir={camvid / 'none'}", output=camvid / "x") == 1
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


def test_another_method_comes_with_named_parameters():
    for method, preset in (("diffusion_walk", "fixed"), ("region_merging", "default")):
        said = read_config(CAMVID, [f"method={method}", f"preset={preset}"])
        assert (said.method, said.dataset) == (method, "camvid")
        assert said.parameters == METHODS[method].preset(preset)
    said = read_config(CAMVID, ["preset=paper", "parameters.max_regions=5"])
    paper = METHODS["recursive_spectral"].preset("paper")
    assert said.parameters == dataclasses.replace(paper, max_regions=5)
    said = read_config(CAMVID, ["method=region_merging"])
    assert said.parameters == METHODS["region_merging"].preset()


def test_a_config_says_how_to_score(camvid, tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(config(protocol="hungarian", crop=28, names="list.txt"))
    said = read_config(path)
    assert said.scoring == Scoring("hungarian", crop=28)
    assert said.names == "list.txt"
    (tmp_path / "one.txt").write_text("0016E5_2\n")
    overrides = ["crop=none", "num_regions=3", f"names={tmp_path / 'one.txt'}"]
    said = read_config(path, overrides)
    assert said.scoring == Scoring("hungarian", num_regions=3)
    flags = [f"--config.{text}" for text in (*overrides, "crop=28")]
    flags += [f"--data_dir={tmp_path / 'prepared'}", f"--manual_dir={camvid}"]
    assert evaluated(path, *flags, output=tmp_path / "scores") == 0
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert 0 < metrics["full/hungarian_pacc"] <= 1
    assert metrics["images"] == 1
    assert metrics["mean_leaves"] <= 3
    capsys.readouterr()
    assert evaluated(path, *flags, "--boundaries", output=tmp_path / "scores") == 2
    assert "takes no boundaries, which goes with 'best" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crop=wide", "--config.crop expects int"),
        ("protocol=greedy", "--config: protocol must be"),
        ("num_regions=3", "takes no num_regions, which goes with 'hungarian'"),
        ("names", "--config.NAME=VALUE"),
        ("parameters.colour=1", "--config.parameters: there is no parameter 'colour'"),
        ("preset=papper", "has no preset 'papper'"),
        ("method=magic", "unknown method 'magic'"),
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


def config(**fields):
    known = {"dataset": "camvid", "split": "val", "model": "dinov2_test"}
    known |= {"method": "recursive_spectral", "parameters": {}}
    return f"{HEAD}ConfigDict({ {**known, **fields} })"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"expected a function get_config\(\)"),
        ("def get_config(:", r"cannot be loaded \(SyntaxError"),
        ("import no_such_module", r"\(ModuleNotFoundError: .*no_such_module"),
        (HEAD + "1 / 0", r"cannot be loaded \(ZeroDivisionError"),
        (HEAD + "{}", "it returned dict"),
        (HEAD + "ConfigDict({'dataset': 'camvid'})", "lacks method, model, param.*spl"),
        (config(x=1), "has x;"),
        (config(parameters=3), "parameters to name"),
        (config(method=3), "method must be a text, but is 3"),
        (config(method="x"), "unknown method 'x'"),
        (config(parameters={"hue": 1}), "hue"),
        (config(crop=-1), "crop must"),
        (config(names=3), "names must"),
        (None, "expected a config file"),
    ],
)
def test_files_that_are_no_configs_are_named(text, words, tmp_path, capsys):
    path = tmp_path / "mine.py"
    if text is not None:
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
