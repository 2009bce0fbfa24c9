import json
import os
import subprocess
import sys

import pytest

from uhseg_jax.cli import help_texts, segment


def test_the_texts_that_are_kept_are_what_the_flags_say():
    kept = {x.name: x.read_text("utf-8") for x in help_texts.FOLDER.glob("*.txt")}
    # In a process of its own, whose methods have no presets of tests.
    code = "import json; from uhseg_jax.cli import help_texts; print(json.dumps(dict("
    code += "help_texts.texts())))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    said = json.loads(done.stdout)
    anew = "write them anew: python -m uhseg_jax.cli.help_texts"
    assert kept.keys() == said.keys(), anew
    for name, text in kept.items():
        assert text.splitlines() == said[name].splitlines(), anew


@pytest.mark.parametrize("arguments", [["-h"], ["photos", "--help"], ["-h", "-h"]])
def test_help_is_asked_for_anywhere(arguments, capsys):
    assert segment.main(["uhseg-segment", *arguments]) == 0
    assert capsys.readouterr().out == help_texts.kept("uhseg-segment", arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["region_merging", "max_ncut=0.28", "superpixels.count=780", "Finer"]),
        (["--method=diffusion_walk"], ["random_walk", "steps=2", "request.prompt="]),
        (["--method=recursive_spectral"], ["release", "num_vectors=none"]),
    ],
)
def test_help_has_the_presets_and_parameters_of_the_method(arguments, words):
    said = help_texts.kept("uhseg-segment", ["--help", *arguments])
    about = said.partition("--config.NAME=VALUE.")[2]
    for word in words:
        assert word in about


def test_a_preset_is_shown_with_its_own_values(capsys):
    arguments = ["-h", "--method=recursive_spectral", "--preset=two_way"]
    assert help_texts.kept("uhseg-segment", arguments) is None
    segment.main(["uhseg-segment", *arguments])
    said = capsys.readouterr().out
    assert "Parameters of the preset two_way:" in said
    assert "max_ncut=0.38" in said


@pytest.mark.parametrize(
    "arguments", [[], ["photos"], ["--", "-h"], ["-h", "--method=x"]]
)
def test_what_else_is_asked_is_left_to_the_flags(arguments):
    assert help_texts.kept("uhseg-segment", arguments) is None


def test_help_imports_nothing_that_takes_time(tmp_path):
    code = (
        "import sys; from uhseg_jax.cli import commands; commands.segment(); "
        "print(*{'jax', 'numpy', 'absl', 'flax', 'scipy'} & set(sys.modules), 'end')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "-h"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1].strip() == "end"
    assert done.stderr == ""
