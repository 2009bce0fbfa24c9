"""Self-attention maps: what they are the mean of, and what they do not depend on."""

import dataclasses
import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusers_folder import MICRO, micro_backbone

from uhseg_jax.backbones import (
    AttentionRequest,
    compute_self_attention,
    read_prompt,
    self_attention_maps,
)
from uhseg_jax.backbones.diffusion.ddim import (
    alphas_cumprod,
    denoising_steps,
    inversion_steps,
    take_step,
)
from uhseg_jax.backbones.diffusion.model import Diffusion
from uhseg_jax.backbones.diffusion.recording import empty_sums
from uhseg_jax.backbones.diffusion.self_attention import denoise_latents

EPS = float(np.finfo(np.float32).eps)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 16, 3), np.uint8)
INVERSION = AttentionRequest(num_steps=2, schedule_steps=20)
DIFFSEG = AttentionRequest(source="single", timestep=300)
DIFFCUT = AttentionRequest(source="single", timestep=50, noise=True, seed=1)
# Two resolutions, one of them with two layers, in as little as compiles quickly.
SPEC = dataclasses.replace(
    MICRO,
    unet=dataclasses.replace(
        MICRO.unet,
        down_depths=((1,), (0,)),
        middle_depth=None,
        up_depths=((1, 0), (0, 1)),
    ),
)
REQUESTS = {"inversion": INVERSION, "diffseg": DIFFSEG, "diffcut": DIFFCUT}
every_request = pytest.mark.parametrize("name", REQUESTS)


backbone = functools.cache(functools.partial(micro_backbone, SPEC))


@functools.cache
def maps(name: str):
    """Those of the images one by one; DiffSeg's of all at once."""
    if name == "diffseg":
        return at_once(backbone().module, DIFFSEG)
    return self_attention_maps(backbone(), PIXELS, request=REQUESTS[name])


def at_once(module: Diffusion, request: AttentionRequest):
    compute = functools.partial(compute_self_attention, module, request=request)
    return jax.jit(compute)(backbone().params, PIXELS, read_prompt(backbone()))


@functools.cache
def forward():
    """One forward of the U-Net with the sums of its maps, compiled by itself."""
    module = backbone().module

    @jax.jit
    def predict(params, latents, timestep, prompt):
        return module.apply(
            {"params": params},
            latents,
            timestep,
            prompt,
            sums=empty_sums(SPEC.unet, len(latents), (4, 8)),
            method="predict",
        )

    prompt = read_prompt(backbone())
    return lambda latents, timestep: predict(
        backbone().params, latents, jnp.int32(timestep), prompt
    )


@functools.cache
def encoded():
    module = backbone().module
    encode = jax.jit(functools.partial(module.apply, method="encode"))
    return encode({"params": backbone().params}, PIXELS)


def mean_of(forwards) -> dict[tuple[int, int], np.ndarray]:
    """Mean over the layers of a resolution and over forwards, in float64."""
    return {
        grid: np.mean([np.float64(x[grid].total) for x in forwards], axis=0)
        / float(forwards[0][grid].num_maps)
        for grid in forwards[0]
    }


def assert_maps(found, expected, *, ulps: float) -> None:
    assert set(found) == set(expected)
    for cells, map_ in expected.items():
        assert found[cells].dtype == jnp.float32
        error = np.abs(np.asarray(found[cells]) - map_).max()
        assert error <= ulps * EPS * map_.max(), cells


@every_request
def test_every_row_is_a_distribution(name):
    found = maps(name)
    assert {cells: map_.shape for cells, map_ in found.items()} == {
        (4, 8): (3, 32, 32),
        (2, 4): (3, 8, 8),
    }
    for map_ in found.values():
        assert (map_ >= 0).all()
        np.testing.assert_allclose(map_.sum(-1), 1.0, atol=8 * EPS)
        assert np.ptp(map_) > 0


def test_an_inversion_is_the_mean_over_the_steps_back():
    latents = encoded()
    steps = {"num_steps": 2, "num_inference_steps": 20}
    up = inversion_steps(SPEC.schedule, **steps)
    down = denoising_steps(SPEC.schedule, **steps)
    forwards = []
    for steps, keep in ((up, False), (down, True)):
        for index in range(2):
            step = jax.tree.map(lambda leaf, index=index: leaf[index], steps)
            prediction, sums = forward()(latents, step.timestep)
            latents = take_step(latents, prediction, step)
            if keep:
                forwards.append(sums)
    # The same forwards, compiled otherwise: some dozen roundings in each of four.
    assert_maps(maps("inversion"), mean_of(forwards), ulps=64)


def test_a_single_forward_is_told_the_timestep_and_sees_clean_latents():
    _, sums = forward()(encoded(), 300)
    assert_maps(maps("diffseg"), mean_of([sums]), ulps=32)
    _, other = forward()(encoded(), 50)
    assert np.abs(mean_of([other])[4, 8] - maps("diffseg")[4, 8]).max() > 100 * EPS


def noised_maps(seed: int) -> dict[tuple[int, int], np.ndarray]:
    """Those of the images with the noise of timestep 50."""
    noise = jax.random.normal(jax.random.key(seed), (1, 4, 8, 4))
    share = alphas_cumprod(SPEC.schedule)[50]
    latents = np.sqrt(share) * encoded() + np.sqrt(1 - share) * np.asarray(noise)
    return mean_of([forward()(jnp.asarray(latents, jnp.float32), 50)[1]])


def test_a_noised_forward_has_the_noise_of_its_timestep_and_seed():
    assert_maps(maps("diffcut"), noised_maps(DIFFCUT.seed), ulps=32)
    other = noised_maps(DIFFCUT.seed + 1)
    assert np.abs(other[4, 8] - maps("diffcut")[4, 8]).max() > 100 * EPS


@pytest.mark.parametrize("name", ["inversion", "diffcut"])
def test_an_image_does_not_depend_on_its_neighbours(name):
    others = np.stack([PIXELS[1], 255 - PIXELS[0], PIXELS[1]])
    found = self_attention_maps(backbone(), others, request=REQUESTS[name])
    for cells, map_ in found.items():
        np.testing.assert_array_equal(map_[0], maps(name)[cells][1])
        np.testing.assert_array_equal(map_[2], maps(name)[cells][1])


@pytest.mark.slow
def test_half_precision_gives_nearly_the_same_maps():
    half = Diffusion(SPEC, dtype=jnp.bfloat16, attention="whole")
    # jax.nn's attention and Flax's norms mix dtypes.
    with jax.numpy_dtype_promotion("standard"):
        found = at_once(half, DIFFSEG)
    for cells, expected in maps("diffseg").items():
        assert found[cells].dtype == jnp.float32
        np.testing.assert_allclose(found[cells].sum(-1), 1.0, atol=8 * EPS)
        # 8 bits of mantissa, a few dozen roundings of logits around one.
        assert np.abs(found[cells] - expected).max() < 0.1 * expected.max()


def test_maps_are_not_kept_for_every_step_nor_for_every_layer():
    request = AttentionRequest(num_steps=40, schedule_steps=40)
    denoise = functools.partial(denoise_latents, backbone().module, request=request)
    latents = jax.ShapeDtypeStruct((1, 32, 32, 4), jnp.float32)
    lowered = jax.jit(denoise).lower(
        backbone().params, latents, read_prompt(backbone())
    )
    memory = lowered.compile().memory_analysis()
    needed = memory.temp_size_in_bytes + memory.output_size_in_bytes
    # Forty steps with two layers at 1,024 cells would be 80 maps. The sum, one map
    # beside it, and all else.
    assert needed < 2.25 * 1024**2 * 4


def unchecked_request(**fields):
    """A request made as users make it, without the type checks of the tests."""
    request = object.__new__(AttentionRequest)
    inspect.unwrap(AttentionRequest.__init__)(request, **fields)
    return request


def test_requests_are_values():
    assert hash(unchecked_request(num_steps=np.int64(2))) == hash(
        AttentionRequest(num_steps=2)
    )
    assert AttentionRequest() == AttentionRequest(num_steps=10, schedule_steps=50)


@pytest.mark.parametrize(
    ("pixels", "request_", "sentence"),
    [
        (PIXELS[0], INVERSION, r"shape \[b, H, W, 3\]; found uint8 \[8, 16, 3\]"),
        (PIXELS / 255, INVERSION, r"found float64"),
        (PIXELS[:, :7], INVERSION, "do not tile 7 x 16"),
        (PIXELS, AttentionRequest(source="single", timestep=1000), "found 1000"),
        (PIXELS, AttentionRequest(schedule_steps=1001), "from 1 to 1000"),
    ],
)
def test_images_and_requests_that_do_not_fit_are_refused(pixels, request_, sentence):
    with pytest.raises(ValueError, match=sentence):
        inspect.unwrap(self_attention_maps)(backbone(), pixels, request=request_)
