import dataclasses

import block_method
import numpy as np
import pytest
from PIL import Image
from small_runs import CONFIG, photograph

from uhseg_jax.benchmarks import stages, throughput, timing
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.pipeline import Segmenter


@pytest.mark.slow
def test_every_stage_of_an_image_can_be_timed(tmp_path):
    segmenter = Segmenter.create(
        model="dinov2_test", method="recursive_spectral", config=CONFIG
    )
    image = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(image)
    calls = stages.stages(segmenter, image, tmp_path)
    calls |= stages.rivals(segmenter, image, config=CONFIG)
    timings = timing.measure(calls, repeats=1)
    assert list(timings) == [
        "decode",
        "forward",
        "cut",
        "refine",
        "export",
        "pixels to regions",
        "decode to exports",
        "pixels to regions, recursive_spectral",
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


def planted(monkeypatch):
    monkeypatch.setattr(Setting, "segmenter", lambda self: block_method.segmenter())


def test_the_whole_stands_beside_torch(monkeypatch, tmp_path):
    planted(monkeypatch)
    monkeypatch.setattr(stages.anchors, "are_installed", lambda *names: True)
    monkeypatch.setattr(stages.torch_vit, "vit_small_forward", lambda: list)
    image = photograph(tmp_path / "image.png")
    record = stages.measure_stages(Setting(image=image, repeats=2))
    whole, export = record.figures
    assert (whole.of, whole.to, whole.aim) == (stages.WHOLE, stages.TORCH, 1.0)
    assert (export.of, export.to) == ("export", "forward")
    assert record.facts["image"] == [30, 40]
    assert record.facts["peak_gb"] > 0.05
    plain = stages.measure_stages(Setting(image=image, repeats=1, anchors=False))
    assert stages.TORCH not in plain.timings


def test_a_run_stands_beside_as_many_forwards(monkeypatch):
    planted(monkeypatch)
    sizes = ((30, 40), (25, 20))
    monkeypatch.setattr(throughput.photographs, "TWELVE", sizes)
    record = throughput.measure_throughput(Setting(images_count=3, repeats=1))
    (figure,) = record.figures
    assert (figure.to, figure.aim) == ("3 forwards", 1.2)
    assert len(record.timings["forward"].seconds) == 2  # before and after
    assert record.facts["programs compiled on the way"] == 0


def test_a_setting_is_written_with_the_dtype_that_was_taken(tmp_path):
    found = dataclasses.replace(Setting(), folder=tmp_path).to_dict()
    assert found["dtype"] in ("float32", "bfloat16")
    assert found["folder"] == str(tmp_path)
