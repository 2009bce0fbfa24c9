"""Ours against the live U-Net of diffusers: the prediction and every attention map.

The tolerance comes from depth, as in test_parity: each residual block and each
transformer block adds a dozen float32 roundings of the largest value, which add up like
a random walk. Timesteps go up to where a rounding of a frequency would turn angles by
981 eps.
"""

import functools
import re

import jax
import numpy as np
import pytest
from abstract_unets import abstract_unet
from torch_diffusion import assert_parity, converted
from torch_unets import torch_forward, torch_unet

from uhseg_jax.backbones.diffusion.recording import attention_layers
from uhseg_jax.backbones.diffusion.spec import UNetSpec
from uhseg_jax.backbones.diffusion.unet import AddedCondition, UNet

pytestmark = pytest.mark.parity

ULPS = 12
SD_V1 = UNetSpec(
    channels=(16, 32),
    heads=(2, 2),
    down_depths=((1, 1), (0, 0)),
    up_depths=((0, 0, 0), (1, 1, 1)),
    context_width=24,
    groups=4,
)
SD_V2 = UNetSpec(
    channels=(16, 32, 32),
    heads=(2, 4, 4),
    down_depths=((1,), (1,), (0,)),
    middle_depth=2,  # not published of this model, but of larger ones
    up_depths=((0, 0), (1, 1), (1, 1)),
    context_width=24,
    groups=4,
    linear_projection=True,
)
SSD_1B = UNetSpec(
    channels=(16, 32),
    heads=(2, 4),
    down_depths=((0, 0), (1, 2)),
    middle_depth=None,
    up_depths=((2, 1, 3), (0, 0, 0)),
    context_width=24,
    groups=4,
    linear_projection=True,
    added_width=64,
    size_width=8,
)
SPECS = {"sd_v1": SD_V1, "sd_v2": SD_V2, "ssd_1b": SSD_1B}


def inputs(spec: UNetSpec, grid: tuple[int, int]):
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    added = None
    if spec.added_width is not None:
        sizes = rng.integers(0, 1025, (2, 6)).astype(np.float32)
        added = AddedCondition(normal(2, spec.pooled_width), sizes)
    timesteps = np.array([981, 1], dtype=np.int32)
    return normal(2, *grid, 4), timesteps, normal(2, 7, spec.context_width), added


def blocks_before(spec: UNetSpec, grid: tuple[int, int]) -> dict[str, int]:
    """Residual and transformer blocks that stand before every map, and in all."""
    levels = [
        *((f"down_blocks_{i}", depths) for i, depths in enumerate(spec.down_depths)),
        ("mid_block", (spec.middle_depth or 0,)),
        *((f"up_blocks_{i}", depths) for i, depths in enumerate(spec.up_depths)),
    ]
    count, before = 0, {}
    for level, depths in levels:
        for index, depth in enumerate(depths):
            count += 1
            for block in range(depth):
                place = f"{level}/attentions_{index}/transformer_blocks_{block}"
                before[place] = count
                count += 1
        count += level == "mid_block" and spec.middle_depth is not None
    return {**before, "prediction": count}


@pytest.mark.parametrize(
    ("name", "grid"),
    [("sd_v1", (6, 4)), ("sd_v2", (4, 8)), ("ssd_1b", (4, 6))],
)
def test_prediction_and_every_map_are_diffusers(name, grid, record_property):
    spec = SPECS[name]
    model = torch_unet(spec)
    latents, timesteps, context, added = inputs(spec, grid)
    expected, maps = torch_forward(model, latents, timesteps, context, added)
    params = converted(model, abstract_unet(spec), prefix="unet.")
    forward = jax.jit(functools.partial(UNet(spec).apply, recording="layers"))
    found, record = forward(
        {"params": params}, latents, timesteps, context, added=added
    )
    before = blocks_before(spec, grid)
    report: dict[str, float] = {}
    assert list(attention_layers(spec, grid)) == list(maps)
    assert record.layers.keys() == maps.keys()
    for place, weights in maps.items():
        assert_parity(
            record.layers[place],
            weights,
            blocks=before[place],
            ulps=ULPS,
            report=report,
        )
    assert_parity(
        found, expected, blocks=before["prediction"], ulps=ULPS, report=report
    )
    record_property("ulps", report)


@pytest.mark.parametrize("name", SPECS)
def test_every_parameter_is_called_as_in_diffusers(name):
    model = torch_unet(SPECS[name])
    kinds = {1: "scale", 2: "kernel", 4: "kernel"}
    orders = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}
    expected = {}
    for theirs, weight in model.state_dict().items():
        *modules, leaf = re.sub(r"\.(\d+)\.", r"_\1.", theirs).split(".")
        shape = [weight.shape[axis] for axis in orders[weight.ndim]]
        leaf = leaf if leaf == "bias" else kinds[weight.ndim]
        expected["/".join([*modules, leaf])] = tuple(shape)
    ours = jax.tree_util.tree_leaves_with_path(abstract_unet(SPECS[name]))
    assert expected == {
        "/".join(key.key for key in path): leaf.shape for path, leaf in ours
    }
