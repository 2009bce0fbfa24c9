import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax import backbones
from uhseg_jax.benchmarks import floor
from uhseg_jax.benchmarks.setting import Setting


@pytest.mark.parametrize("name", ["dinov2_test", "dinov2_reg_test"])
def test_operations_are_those_that_the_compiler_counts(name):
    spec = backbones.get_variant(name).spec
    family = backbones.family_of(spec)
    module = family.module(spec, dtype=jnp.float32, attention="whole")
    grid = 6
    request = family.resolve(spec, backbones.PatchRequest(grid=grid))
    backbone = backbones.load_backbone(name)
    image = np.zeros((grid * spec.patch, grid * spec.patch, 3), np.uint8)

    def forward(inputs, pixels):
        return family.answer(module, inputs, pixels, request)

    inputs = family.inputs(backbone, request)
    lowered = jax.jit(forward).lower(inputs, image)
    products = sum(
        line.count("stablehlo.dot_general") for line in lowered.as_text().splitlines()
    )
    assert products >= 4 * spec.depth
    counted = lowered.cost_analysis()["flops"]
    # It also counts what is no product: norms, softmax, GELU.
    assert 0.6 < floor.forward_cost(spec, grid).operations / counted < 1.05


def test_the_cost_of_the_default_forward_is_known():
    spec = backbones.get_variant("dinov2_vits14").spec
    cost = floor.forward_cost(spec, 60)
    assert cost.tokens == 3601
    assert cost.operations == pytest.approx(393.6e9, rel=1e-3)
    assert cost.attention == 4 * 3601**2 * 384 * 12


def test_rates_lead_to_seconds(monkeypatch):
    monkeypatch.setattr(floor, "_GRIDS", (3, 4))
    monkeypatch.setattr(floor, "_COPIED", 2**20)
    record = floor.measure_floor(Setting(model="dinov2_test", repeats=1))
    found = record.facts["dinov2_test, 4 x 4 patches"]
    assert found["tokens"] == 17
    assert found["s in float32"] > 0
    assert record.facts["copied_gb_per_s"] > 0
