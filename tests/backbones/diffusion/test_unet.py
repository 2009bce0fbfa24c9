import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from abstract_unets import abstract_unet

from uhseg_jax.backbones.diffusion.recording import AttentionSums, empty_sums
from uhseg_jax.backbones.diffusion.spec import UNetSpec
from uhseg_jax.backbones.diffusion.unet import AddedCondition, UNet
from uhseg_jax.backbones.diffusion.variants import (
    SD_V1,
    SD_V2,
    SSD_1B,
    SSD_TEST,
)

EPS = float(np.finfo(np.float32).eps)
SPEC = UNetSpec(
    channels=(16, 32),
    heads=(2, 4),
    down_depths=((1,), (0,)),
    up_depths=((0, 0), (0, 1)),
    context_width=24,
    groups=4,
)
GRID = (8, 4)
# As in test_unet_parity: roundings of one block, over 3 transformers and 8 residual
# blocks.
ULPS = 12 * (1 + 11) ** 0.5


@functools.cache
def random_params(spec: UNetSpec = SPEC):
    rng = np.random.default_rng(0)

    def fill(path, leaf):
        noise = rng.normal(size=leaf.shape).astype(np.float32)
        match path[-1].key:
            case "kernel":
                return noise / np.float32(np.prod(leaf.shape[:-1]) ** 0.5)
            case "scale":
                return np.float32(1) + np.float32(0.2) * noise
        return np.float32(0.2) * noise

    return jax.tree_util.tree_map_with_path(fill, abstract_unet(spec))


def inputs(batch: int = 2, spec: UNetSpec = SPEC, grid: tuple[int, int] = GRID):
    rng = np.random.default_rng(1)
    return (
        jnp.asarray(rng.normal(size=(batch, *grid, 4)), jnp.float32),
        jnp.linspace(1, 981, batch),
        jnp.asarray(rng.normal(size=(batch, 7, spec.context_width)), jnp.float32),
    )


@functools.partial(jax.jit, static_argnames="spec")
def run(params, latents, timesteps, context, sums=None, *, spec=SPEC):
    return UNet(spec).apply({"params": params}, latents, timesteps, context, sums=sums)


@functools.cache
def recorded() -> tuple[np.ndarray, AttentionSums]:
    return run(random_params(), *inputs(), empty_sums(SPEC, 2, GRID))


def shapes_of(spec: UNetSpec, latents: tuple[int, ...], **kwargs):
    """The result as shapes, without computing anything."""
    model = UNet(spec, kwargs.pop("dtype", jnp.float32))
    return jax.eval_shape(
        model.apply,
        {"params": abstract_unet(spec)},
        jax.ShapeDtypeStruct(latents, jnp.float32),
        jax.ShapeDtypeStruct(latents[:1], jnp.int32),
        jax.ShapeDtypeStruct((latents[0], 7, spec.context_width), jnp.float32),
        sums=empty_sums(spec, latents[0], latents[1:3]),
        **kwargs,
    )


def assert_close(found, expected, *, ulps: float = ULPS) -> None:
    scale = np.abs(np.asarray(expected)).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=ulps * EPS * scale)


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (SD_V1.unet, 859_520_964),
        pytest.param(SD_V2.unet, 865_910_724, marks=pytest.mark.slow),
        # Published as 1.3 billion; the number is that of diffusers' model.
        (SSD_1B.unet, 1_331_334_404),
    ],
)
def test_parameters_are_as_many_as_published(spec, count):
    leaves = jax.tree.leaves(abstract_unet(spec))
    assert sum(leaf.size for leaf in leaves) == count


def test_every_map_is_recorded_and_rows_are_distributions():
    _, sums = recorded()
    # One layer on the way down and one on the way up; the middle.
    assert {grid: int(added.num_maps) for grid, added in sums.items()} == {
        GRID: 2,
        (4, 2): 1,
    }
    for (h, w), added in sums.items():
        assert added.total.shape == (2, h * w, h * w)
        assert (added.total >= 0).all()
        # A sum of positive numbers is off by a rounding for each at most.
        rows, count = added.total.sum(-1), int(added.num_maps)
        np.testing.assert_allclose(rows, count, rtol=h * w * count * EPS)


def test_recording_changes_no_prediction():
    expected, sums = run(random_params(), *inputs())
    assert sums is None
    assert_close(recorded()[0], expected)


def test_a_loop_of_forwards_goes_on_with_its_sums():
    _, once = recorded()
    _, twice = run(random_params(), *inputs(), once)
    for grid, added in twice.items():
        assert added.num_maps == 2 * once[grid].num_maps
        assert_close(added.total, 2 * once[grid].total, ulps=16)


def test_images_of_a_batch_do_not_see_one_another():
    expected, kept = recorded()
    others = (jnp.concatenate([-2 * array[:1], array[1:]]) for array in inputs())
    found, sums = run(random_params(), *others, empty_sums(SPEC, 2, GRID))
    np.testing.assert_array_equal(found[1], expected[1])
    assert np.abs(found[0] - expected[0]).max() > 1e-3
    for grid, added in sums.items():
        np.testing.assert_array_equal(added.total[1], kept[grid].total[1])


def test_a_forward_holds_few_maps_at_once():
    # One level of three layers, which compiles quickly.
    spec = UNetSpec(
        channels=(8,),
        heads=(2,),
        down_depths=((1,),),
        middle_depth=None,
        up_depths=((1, 1),),
        context_width=6,
        groups=2,
    )
    grid, one_map = (32, 32), 4 * 1024**2
    arguments = (abstract_unet(spec), *inputs(1, spec, grid), empty_sums(spec, 1, grid))
    memory = run.lower(*arguments, spec=spec).compile().memory_analysis()
    # The sum, one map next to it, and all else.
    needed = memory.temp_size_in_bytes + memory.output_size_in_bytes
    assert needed < 2.25 * one_map


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_results_are_float32_in_any_dtype(dtype):
    prediction, sums = shapes_of(SPEC, (1, 8, 8, 4), dtype=dtype)
    assert prediction.dtype == jnp.float32
    assert all(added.total.dtype == jnp.float32 for added in sums.values())


@pytest.mark.parametrize("grid", [(8, 7), (3, 8)])
def test_sides_that_cannot_be_halved_are_refused(grid):
    with pytest.raises(ValueError, match=rf"multiples of 2; found {grid[0]} x"):
        shapes_of(SPEC, (1, *grid, 4))


def test_latents_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="latents of 4 channels, found 3"):
        shapes_of(SPEC, (1, 8, 8, 3))


def test_pooled_text_and_sizes_are_given_where_the_model_knows_them_and_only_there():
    spec = SSD_TEST.unet
    with pytest.raises(ValueError, match="a pooled text of 16 channels and 6 sizes"):
        shapes_of(spec, (1, 8, 8, 4))
    added = AddedCondition(np.zeros((1, 16), np.float32), np.zeros((1, 6), np.float32))
    prediction, _ = shapes_of(spec, (1, 8, 8, 4), added=added)
    assert prediction.shape == (1, 8, 8, 4)
    with pytest.raises(ValueError, match="time and text alone"):
        shapes_of(SPEC, (1, 8, 8, 4), added=added)
