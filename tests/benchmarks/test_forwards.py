import json

import numpy as np
import pytest

from uhseg_jax import backbones
from uhseg_jax.benchmarks import forwards, torch_vit
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.cli import benchmark

SIZES = ["dinov2_vits14", "dinov2_vitg14_reg", "dinov3_vits16plus", "dino_vits8",
         "clip_vitb16"]  # fmt: skip


@pytest.mark.parametrize("dtype", forwards.DTYPES)
def test_a_forward_gives_a_token_for_every_patch(dtype):
    spec = backbones.get_variant("dinov2_test").spec
    found = forwards.our_forward("dinov2_test", 28, dtype=dtype, batch=2)()
    assert found.shape == (2, 2, 2, spec.width)
    assert found.dtype == "float32"
    assert np.isfinite(found).all()


@pytest.mark.slow
def test_a_forward_of_a_diffusion_model_gives_its_attention():
    side = forwards.usual_side("sd_test")
    calls = forwards.forwards("sd_test", side)
    assert list(calls) == ["ours, float32", "ours, bfloat16"]  # there is no rival
    cells = side // backbones.get_variant("sd_test").spec.patch
    (found,) = calls["ours, float32"]()
    assert found.shape == (cells, cells, cells**2)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_memory_is_that_of_a_process_of_its_own():
    before, after = forwards.peak_memory("dinov2_test", 28, "float32")
    assert 0.05 < before <= after < 5


def test_sides_hold_sixty_patches():
    assert forwards.usual_side("dinov2_vits14") == 840
    assert forwards.usual_side("dino_vits8") == 480


def test_the_command_prints_the_figures_of_every_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(forwards, "usual_side", lambda name: 28)
    monkeypatch.setattr(forwards, "peak_memory", lambda *arguments: (0.25, 0.5))
    monkeypatch.setattr(forwards.anchors, "are_installed", lambda *names: True)
    rival = lambda spec, side, dtype: lambda: np.zeros(1)  # noqa: E731
    monkeypatch.setattr(forwards.torch_vit, "torch_forward", rival)
    path = tmp_path / "figures.json"
    argv = ["uhseg-benchmark", "--forwards=dinov2_test,dinov2_reg_test"]
    assert benchmark.main([*argv, "--repeats=1", f"--json={path}"]) == 0
    found = json.loads(path.read_text())["sections"]["forward"]
    assert found["facts"]["dinov2_test"]["peak_gb"] == {"float32": 0.5, "bfloat16": 0.5}
    assert found["facts"]["dinov2_test"]["gflop"] > 0
    pairs = [(x["of"], x["to"]) for x in found["figures"]]
    for dtype in forwards.DTYPES:
        name = "dinov2_reg_test"
        assert (f"{name}: ours, {dtype}", f"{name}: torch, {dtype}") in pairs
    assert "dinov2_reg_test" in capsys.readouterr().out


@pytest.mark.weights
@pytest.mark.slow
def test_features_in_bfloat16_point_where_those_in_float32_do():
    found = forwards._cosines("dinov2_vits14_focus", Setting())
    assert found["least"] > 0.99


@pytest.mark.parity
@pytest.mark.parametrize("name", SIZES)
def test_the_rival_is_the_same_architecture(name):
    torch = pytest.importorskip("torch")
    spec = backbones.get_variant(name).spec
    with torch.device("meta"):
        model = torch_vit.torch_model(spec)
    ignored = ("mask_token", "pooler", "post_layernorm", "layernorm", "norm.")
    theirs = sum(
        x.numel()
        for key, x in model.named_parameters()
        if not key.startswith(ignored) and "mask_token" not in key
    )
    final_norm = 2 * spec.width
    assert theirs == backbones.num_parameters(spec) - final_norm
