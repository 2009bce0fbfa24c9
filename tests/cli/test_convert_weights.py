import os
import subprocess
import sys

import pytest

from uhseg_jax import backbones
from uhseg_jax.backbones import TEXT_SIDES, VARIANTS
from uhseg_jax.backbones.weights.manifest import Manifest, write_manifest
from uhseg_jax.cli import convert_weights


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UHSEG_CACHE", str(tmp_path))
    return tmp_path


def convert(*arguments: str) -> int:
    return convert_weights.main(["uhseg-convert", *arguments])


def test_list_names_every_variant_with_its_facts(cache, capsys, monkeypatch):
    monkeypatch.setattr(backbones, "num_parameters", lambda spec: spec.patch * 10**6)
    (cache / "dinov2_vitb14").mkdir()
    (cache / "dinov2_vitb14" / "manifest.json").touch()
    (cache / "dinov2_vits14").mkdir()  # without one it is somebody's folder
    assert convert("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    header, *rows = [line.split() for line in lines]
    assert header[:4] == ["name", "parameters", "patch", "dim"]
    assert header[4:] == ["source", "licence", "cached"]
    assert [row[0] for row in rows] == [*VARIANTS, *TEXT_SIDES]
    assert {row[0] for row in rows if row[-1] == "yes"} == {"dinov2_vitb14"}
    assert rows[0][1:4] == ["14.0M", "14", "384"]
    (diffusion,) = [row for row in rows if row[0] == "sd_v1_4"]
    assert diffusion[1:4] == ["1016.7M", "8", "-"]
    # Columns: numbers end, and texts begin, where their titles do.
    for title in ("parameters", "patch", "dim"):
        end = lines[0].index(title) + len(title)
        assert all(line[end - 1] != " " == line[end] for line in lines)
    for title in ("source", "licence", "cached"):
        start = lines[0].index(title)
        assert all(line[start - 1] == " " != line[start] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ((), 2, "Name the model with --model=NAME"),
        (("dinov2_vits14",), 2, "Unexpected arguments"),
        (("--modle=dinov2_vits14",), 2, "See uhseg-convert --help"),
        (("--model=dinov2_vits",), 1, "Did you mean"),
        (("--model=dinov2_test",), 1, "nothing to convert"),
        (("--model=dinov2_vits14", "--file=none.safetensors"), 1, "no weight file at"),
    ],
)
def test_mistakes_are_one_sentence(arguments, status, sentence, capsys):
    assert convert(*arguments) == status
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.out == ""


def test_a_checkpoint_that_is_there_stays(cache, capsys):
    folder = cache / "dinov2_vits14"
    folder.mkdir()
    manifest = Manifest("dinov2_vits14", "x", *3 * ("0" * 64,))
    write_manifest(folder, manifest)
    assert convert("--model=dinov2_vits14") == 0
    assert "--overwrite converts it again" in capsys.readouterr().out
    # Advice that would be refused is not given.
    (folder / "manifest.json").write_text("{}")
    assert convert("--model=dinov2_vits14") == 0
    assert capsys.readouterr().out == f"{folder} is there\n"


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_files_of_the_user_in_the_place_of_a_checkpoint_stay(overwrite, cache, capsys):
    file = cache / "dinov2_vits14" / "mine.pth"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    assert convert("--model=dinov2_vits14", f"--file={file}", *overwrite) == 1
    said = capsys.readouterr().err
    assert "holds 'mine.pth' and no manifest.json" in said
    assert "--overwrite" not in said
    assert file.read_bytes() == b"weights"
    assert [x.name for x in cache.rglob("*")] == ["dinov2_vits14", "mine.pth"]


def test_help_explains_every_flag(capsys):
    assert convert("--help") == 0
    said = capsys.readouterr().out
    for flag in ("model", "file", "checkpoint_dir", "overwrite", "list"):
        assert f"--{flag}" in said or f"--[no]{flag}" in said


def test_the_command_runs_and_leaves_flags_of_others_alone():
    script = (
        "import sys; from absl import flags; "
        "from uhseg_jax.cli import convert_weights, evaluate, segment; "
        "assert 'model' not in flags.FLAGS; "
        "sys.exit(convert_weights.main(['uhseg-convert', '--model=dinov2_vits']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "Did you mean" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
