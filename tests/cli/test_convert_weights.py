import os
import subprocess
import sys

import pytest

from uhseg_jax.backbones import VARIANTS


def convert(*arguments: str, cache) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "uhseg_jax.cli.convert_weights", *arguments],
        env={**os.environ, "UHSEG_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_list_names_every_variant_with_its_facts(tmp_path):
    (tmp_path / "dinov2_vitb14").mkdir()
    result = convert("--list", cache=tmp_path)
    assert result.returncode == 0
    header, *rows = [line.split() for line in result.stdout.splitlines()]
    assert header[:4] == ["name", "parameters", "patch", "dim"]
    assert header[4:] == ["source", "licence", "cached"]
    assert [row[0] for row in rows] == [*VARIANTS]
    assert {row[0]: row[-1] for row in rows if row[-1] == "yes"} == {
        "dinov2_vitb14": "yes"
    }
    assert rows[0][1:4] == ["22,056,192", "14", "384"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name the variant with --model=NAME"),
        (("--model=dinov2_vits",), "Did you mean"),
        (("--model=dinov2_vits14", "--file=none.safetensors"), "no weight file at"),
    ],
)
def test_mistakes_are_one_sentence_and_status_one(tmp_path, arguments, sentence):
    result = convert(*arguments, cache=tmp_path)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
