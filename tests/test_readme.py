import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from uhseg_jax.cli.segment_flags import parse

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def test_it_opens_with_one_line_for_each_job():
    main, tests = blocks("bash")
    for line in (main, tests):
        assert line.count("\n") == 1
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert "uhseg-segment" in main
    assert "pytest" in tests


def test_the_commands_have_the_flags_they_are_shown_with():
    lines = [
        line.split("#")[0]
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("uhseg-segment")
    ]
    assert len(lines) >= 5
    for line in lines:
        assert parse(shlex.split(line)).images


@pytest.mark.slow
@pytest.mark.weights
def test_the_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(skimage.data.coffee()[::4, ::4]).save("photo.jpg")
    rng = np.random.default_rng(0)
    namespace = {
        "batch": rng.normal(size=(2, 12, 12, 16)).astype(np.float32),
        "images": rng.integers(0, 256, (1, 28, 42, 3), np.uint8),
        "image": rng.integers(0, 256, (20, 30, 3), np.uint8),
        "squares": rng.integers(0, 256, (1, 64, 64, 3), np.uint8),
        "attention_map": rng.random((6, 6, 36)).astype(np.float32),
        "probabilities": rng.dirichlet(np.ones(3), (20, 30)).astype(np.float32),
    }
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    assert (tmp_path / "photo.npz").exists()
    assert namespace["cuts"].shape == (2, 12, 12)
    finest = namespace["maps"][max(namespace["maps"])]
    np.testing.assert_allclose(finest.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(namespace["marginals"].sum(axis=-1), 1, rtol=1e-5)
