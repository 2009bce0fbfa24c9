import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from abstract_unets import abstract_unet

from uhseg_jax.backbones.diffusion.recording import (
    AttentionRecord,
    attention_layers,
    empty_record,
    empty_sums,
)
from uhseg_jax.backbones.diffusion.spec import UNetSpec
from uhseg_jax.backbones.diffusion.transformer import SpatialTransformer
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


@functools.partial(jax.jit, static_argnames=("recording", "spec"))
def run(params, latents, timesteps, context, *, recording, record=None, spec=SPEC):
    return UNet(spec).apply(
        {"params": params},
        latents,
        timesteps,
        context,
        recording=recording,
        record=record,
    )


@functools.cache
def recorded(recording: str) -> tuple[np.ndarray, AttentionRecord]:
    record = empty_sums(SPEC, 2, GRID) if recording == "sums" else None
    return run(random_params(), *inputs(), recording=recording, record=record)


def shapes_of(spec: UNetSpec, latents: tuple[int, ...], **kwargs):
    """The result as shapes, without computing anything."""
    model = UNet(spec, kwargs.pop("dtype", jnp.float32))
    return jax.eval_shape(
        functools.partial(model.apply, recording="sums"),
        {"params": abstract_unet(spec)},
        jax.ShapeDtypeStruct(latents, jnp.float32),
        jax.ShapeDtypeStruct(latents[:1], jnp.int32),
        jax.ShapeDtypeStruct((latents[0], 7, spec.context_width), jnp.float32),
        **kwargs,
    )


def assert_close(found, expected, *, ulps: float = ULPS) -> None:
    scale = np.abs(np.asarray(expected)).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=ulps * EPS * scale)


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (SD_V1.unet, 859_520_964),
        (SD_V2.unet, 865_910_724),
        # Published as 1.3 billion; the number is that of diffusers' model.
        (SSD_1B.unet, 1_331_334_404),
    ],
)
def test_parameters_are_as_many_as_published(spec, count):
    leaves = jax.tree.leaves(abstract_unet(spec))
    assert sum(leaf.size for leaf in leaves) == count


def test_every_layer_is_recorded_in_the_order_of_its_cells():
    _, record = recorded("layers")
    layers = attention_layers(SPEC, GRID)
    assert {place: weights.shape for place, weights in record.layers.items()} == {
        place: (2, h * w, h * w) for place, (h, w) in layers.items()
    }
    assert not record.sums


def test_rows_of_every_map_are_distributions():
    _, record = recorded("layers")
    for weights in record.layers.values():
        assert (weights >= 0).all()
        # A sum of n positive numbers is off by a rounding for each at most.
        n = weights.shape[-1]
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=0, atol=n * EPS)


def test_sums_are_those_of_the_layers():
    _, kept = recorded("layers")
    _, record = recorded("sums")
    layers = attention_layers(SPEC, GRID)
    assert record.sums.keys() == set(layers.values())
    for grid, added in record.sums.items():
        maps = [kept.layers[place] for place, cells in layers.items() if cells == grid]
        assert added.num_maps == len(maps)
        assert_close(added.total, sum(np.asarray(one, np.float64) for one in maps))


def test_recording_changes_no_prediction():
    expected, _ = recorded("nothing")
    for recording in ("layers", "sums"):
        assert_close(recorded(recording)[0], expected)


def test_a_loop_of_forwards_goes_on_with_its_sums():
    _, once = recorded("sums")
    _, twice = run(random_params(), *inputs(), recording="sums", record=once)
    for grid, added in twice.sums.items():
        assert added.num_maps == 2 * once.sums[grid].num_maps
        assert_close(added.total, 2 * once.sums[grid].total, ulps=16)


def test_images_of_a_batch_do_not_see_one_another():
    expected, kept = recorded("layers")
    others = (jnp.concatenate([-2 * array[:1], array[1:]]) for array in inputs())
    found, record = run(random_params(), *others, recording="layers", record=None)
    np.testing.assert_array_equal(found[1], expected[1])
    assert np.abs(found[0] - expected[0]).max() > 1e-3
    for place, weights in record.layers.items():
        np.testing.assert_array_equal(weights[1], kept.layers[place][1])


@pytest.mark.slow
def test_a_transformer_compiled_and_eager_agrees():
    module = SpatialTransformer(
        depth=1,
        heads=2,
        groups=4,
        linear_projection=False,
        dtype=jnp.float32,
        attention="chunked",
    )
    params = random_params()["down_blocks_0"]["attentions_0"]
    rng = np.random.default_rng(2)
    cells = jnp.asarray(rng.normal(size=(1, 3, 5, 16)), jnp.float32)
    eager = functools.partial(
        module.apply, record=empty_record(), path="here", recording="layers"
    )
    arguments = ({"params": params}, cells, inputs(1)[2])
    expected, kept = jax.jit(eager)(*arguments)
    found, record = eager(*arguments)
    assert_close(found, expected)
    place = "here/transformer_blocks_0"
    assert list(record.layers) == list(kept.layers) == [place]
    assert_close(record.layers[place], kept.layers[place])


def test_sums_need_less_memory_than_layers():
    # One level, which compiles quickly.
    spec = UNetSpec(
        channels=(8,),
        heads=(2,),
        down_depths=((1,),),
        middle_depth=None,
        up_depths=((1, 1),),
        context_width=6,
        groups=2,
    )
    arguments = (abstract_unet(spec), *inputs(1, spec, (32, 32)))
    one_map = 4 * 1024**2
    _, kept = run.eval_shape(*arguments, recording="layers", spec=spec)
    assert sum(4 * weights.size for weights in kept.layers.values()) == 3 * one_map
    program = run.lower(*arguments, recording="sums", spec=spec)
    memory = program.compile().memory_analysis()
    # The sum, one map beside it, and all else.
    needed = memory.temp_size_in_bytes + memory.output_size_in_bytes
    assert needed < 2.25 * one_map


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_results_are_float32_in_any_dtype(dtype):
    prediction, record = shapes_of(SPEC, (1, 8, 8, 4), dtype=dtype)
    assert prediction.dtype == jnp.float32
    assert all(added.total.dtype == jnp.float32 for added in record.sums.values())


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
