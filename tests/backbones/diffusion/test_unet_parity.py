"""Ours against the live U-Net of diffusers: the prediction and the attention maps.

The tolerance comes from depth, as in test_parity: each residual block and each
transformer block adds a dozen float32 roundings of the largest value, which add up like
a random walk. Timesteps go up to where a rounding of a frequency would turn angles by
981 eps.
"""

import re

import jax
import numpy as np
import pytest
from abstract_unets import abstract_unet
from torch_diffusion import assert_parity, converted
from torch_unets import torch_forward, torch_unet

from uhseg_jax.backbones.diffusion.recording import empty_sums
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


def blocks_before(spec: UNetSpec) -> tuple[dict[int, int], int]:
    """Residual and transformer blocks before the last map of a level, and in all."""
    bottom = len(spec.channels) - 1
    levels = [
        *enumerate(spec.down_depths),
        (bottom, (spec.middle_depth or 0,)),
        *((bottom - index, depths) for index, depths in enumerate(spec.up_depths)),
    ]
    count, before = 0, {}
    for level, depths in levels:
        for depth in depths:
            count += 1 + depth
            if depth:
                before[level] = count - 1
    return before, count + (spec.middle_depth is not None)


@pytest.mark.parametrize(
    ("name", "grid"),
    [("sd_v1", (6, 4)), ("sd_v2", (4, 8)), ("ssd_1b", (4, 6))],
)
def test_prediction_and_sums_of_maps_are_diffusers(name, grid, record_property):
    spec = SPECS[name]
    model = torch_unet(spec)
    latents, timesteps, context, added = inputs(spec, grid)
    expected, maps = torch_forward(model, latents, timesteps, context, added)
    params = converted(model, abstract_unet(spec), prefix="unet.")
    found, sums = jax.jit(UNet(spec).apply)(
        {"params": params},
        latents,
        timesteps,
        context,
        sums=empty_sums(spec, 2, grid),
        added=added,
    )
    before, all_blocks = blocks_before(spec)
    report: dict[str, float] = {}
    assert sum(int(added.num_maps) for added in sums.values()) == len(maps)
    for level, blocks in before.items():
        cells = (grid[0] >> level, grid[1] >> level)
        n = cells[0] * cells[1]
        theirs = [x for x in maps.values() if x.shape[-1] == n]
        assert sums[cells].num_maps == len(theirs)
        total = sum(theirs[1:], start=theirs[0])
        assert_parity(sums[cells].total, total, blocks=blocks, ulps=ULPS, report=report)
    assert_parity(found, expected, blocks=all_blocks, ulps=ULPS, report=report)
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
