import json

import numpy as np
import pytest

from uhseg_jax import backbones
from uhseg_jax.benchmarks import forwards
from uhseg_jax.cli import benchmark

SIZES = ["dinov2_vits14", "dinov2_vitg14_reg", "dinov3_vits16plus", "dino_vits8",
         "clip_vitb16"]  # fmt: skip


def test_a_forward_gives_a_token_for_every_patch():
    spec = backbones.get_variant("dinov2_test").spec
    ours = next(iter(forwards.forwards("dinov2_test", 28).values()))
    (found,) = ours()
    assert found.shape == (2, 2, spec.width)
    assert np.isfinite(found).all()


@pytest.mark.slow
def test_a_forward_of_a_diffusion_model_gives_its_attention():
    side = forwards.usual_side("sd_test")
    calls = forwards.forwards("sd_test", side)
    assert list(calls) == ["sd_test"]  # there is no rival
    cells = side // backbones.get_variant("sd_test").spec.patch
    (found,) = calls["sd_test"]()
    assert found.shape == (cells, cells, cells**2)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_memory_is_that_of_a_process_of_its_own():
    before, after = forwards.peak_memory("dinov2_test", 28)
    assert 0.05 < before <= after < 5


def test_sides_hold_sixty_patches():
    assert forwards.usual_side("dinov2_vits14") == 840
    assert forwards.usual_side("dino_vits8") == 480


def test_the_command_prints_a_row_for_every_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(forwards, "usual_side", lambda name: 28)
    monkeypatch.setattr(forwards, "peak_memory", lambda name, side: (0.25, 0.5))
    monkeypatch.setattr(forwards, "_theirs", lambda name, side: lambda: np.zeros(1))
    path = tmp_path / "figures.json"
    argv = ["uhseg-benchmark", "--forwards=dinov2_test,dinov2_reg_test"]
    benchmark.main([*argv, "--repeats=1", f"--json={path}"])
    found = json.loads(path.read_text())["forwards"]
    assert list(found) == ["dinov2_test", "dinov2_reg_test"]
    assert found["dinov2_test"]["peak_gb"] == 0.5
    said = capsys.readouterr().out
    assert "dinov2_reg_test" in said


@pytest.mark.parity
@pytest.mark.parametrize("name", SIZES)
def test_the_rival_is_the_same_architecture(name):
    torch = pytest.importorskip("torch")
    spec = backbones.get_variant(name).spec
    with torch.device("meta"):
        model = forwards._torch_model(spec)
    ignored = ("mask_token", "pooler", "post_layernorm", "layernorm", "norm.")
    theirs = sum(
        x.numel()
        for key, x in model.named_parameters()
        if not key.startswith(ignored) and "mask_token" not in key
    )
    final_norm = 2 * spec.width
    assert theirs == backbones.num_parameters(spec) - final_norm
