import dataclasses
import json
import time

import block_method
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import clustered_features
from PIL import Image
from small_runs import CONFIG, photograph

from uhseg_jax.benchmarks import stages, timing
from uhseg_jax.cli import benchmark


def test_contenders_take_turns():
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    timings = timing.measure(calls, repeats=3)
    assert order == ["a", "b"] * 4
    assert all(len(found.seconds) == 3 for found in timings.values())


def test_a_median_is_that_of_the_warm_calls():
    pauses = iter([0.05, 0.0, 0.01, 0.0])
    found = timing.measure({"a": lambda: time.sleep(next(pauses))}, repeats=3)["a"]
    assert found.median < 0.01 <= max(found.seconds) < 0.05


def test_the_eigen_solvers_of_a_pair_agree():
    rows = jnp.asarray(clustered_features(0, n=150))
    assert stages.check_agreement(rows, q=5) < 1e-4


def test_the_machine_is_named():
    found = timing.machine()
    assert found["cores"] >= 1
    assert found["processor"]
    assert found["jax"]


def test_the_command_times_every_stage(tmp_path, monkeypatch, capsys):
    def calls(segmenter, image, scratch):
        assert image.exists()
        assert scratch.is_dir()
        return {"decode": lambda: np.zeros(1), "cut": lambda: jnp.zeros(1)}

    monkeypatch.setattr(stages, "stages", calls)
    nothing = object.__new__(benchmark.Segmenter)  # the stages are planted
    monkeypatch.setattr(benchmark.Segmenter, "create", lambda **kwargs: nothing)
    path = tmp_path / "figures.json"
    argv = ["uhseg-benchmark", "--noanchors", "--repeats=2", f"--json={path}"]
    benchmark.main([*argv, "--method=diffusion_walk", "--preset=fixed"])
    report = json.loads(path.read_text())
    assert set(report["stages"]) == {"decode", "cut"}
    assert "cut" in capsys.readouterr().out


@pytest.mark.slow
def test_every_stage_of_an_image_can_be_timed(tmp_path):
    segmenter = benchmark.Segmenter.create(
        model="dinov2_test", method="recursive_spectral", config=CONFIG
    )
    release = dataclasses.replace(CONFIG, rule="ncut", split_restarts=2)
    image = tmp_path / "image.png"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(image)
    calls = stages.stages(segmenter, image, tmp_path, published=release, anchor=CONFIG)
    timings = timing.measure(calls, repeats=1)
    assert list(timings) == [
        "decode",
        "forward",
        "cut",
        "refine",
        "export",
        "whole",
        "cut, published rule",
        "whole, recursive_spectral",
    ]
    for name in ("image.npz", "image.png", "coco.json", "index.html"):
        assert (tmp_path / name).stat().st_size > 0


def test_what_a_method_does_with_pixels_is_a_stage(tmp_path):
    image = photograph(tmp_path / "image.png")
    calls = stages.stages(block_method.segmenter(), image, tmp_path)
    assert list(calls)[:3] == ["decode", "prepare", "forward"]
    assert calls["prepare"]().labels.shape == (30, 40)
    assert calls["refine"]().labels.shape == (30, 40)
    assert calls["cut"]().leaves.shape == (1, 4)


@pytest.mark.parametrize("argument", ["photo.jpg", "--photo.jpg"])
def test_an_image_without_its_flag_is_not_passed_over(argument, capsys):
    assert benchmark.main(["uhseg-benchmark", argument]) == 2
    assert "photo.jpg" in capsys.readouterr().err
