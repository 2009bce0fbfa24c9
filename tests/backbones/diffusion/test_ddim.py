"""DDIM: the schedule, equation 12 in float64, and diffusers' two schedulers.

Predictions are made up and do not depend on the latents, so an error made in one step
is carried on by a factor near one and errors add up. A step of ours rounds two factors,
two products and a sum, each by at most eps / 2 of the largest term: 3 eps are allowed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.backbones.diffusion.ddim import (
    Steps,
    add_noise,
    alphas_cumprod,
    denoising_steps,
    inference_timesteps,
    inversion_steps,
    take_step,
)
from uhseg_jax.backbones.diffusion.spec import PREDICTION_RULES, ScheduleSpec

EPS = float(np.finfo(np.float32).eps)
SCHEDULES = {rule: ScheduleSpec(prediction=rule) for rule in PREDICTION_RULES}
SHAPE = (2, 3, 5, 4)
UP = list(range(1, 182, 20))
every_prediction = pytest.mark.parametrize("rule", PREDICTION_RULES)


def random_latents(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *SHAPE)).astype(np.float32)


@jax.jit
def scanned(latents, predictions, steps):
    """The latents after each step."""

    def body(latents, inputs):
        latents = take_step(latents, *inputs)
        return latents, latents

    return jax.lax.scan(body, latents, (predictions, steps))[1]


def our_walk(rule: str) -> tuple[Steps, np.ndarray]:
    steps = jax.tree.map(
        lambda up, down: jnp.concatenate([up, down]),
        inversion_steps(SCHEDULES[rule]),
        denoising_steps(SCHEDULES[rule]),
    )
    given = random_latents(21)
    return steps, np.asarray(scanned(given[0], given[1:], steps))


def equation_12(latents, prediction, *, source: float, target: float, rule: str):
    """One step between two levels of abar, in float64."""
    if rule == "epsilon":
        noise = prediction
        image = (latents - (1 - source) ** 0.5 * noise) / source**0.5
    else:
        image = source**0.5 * latents - (1 - source) ** 0.5 * prediction
        noise = (1 - source) ** 0.5 * latents + source**0.5 * prediction
    return target**0.5 * image + (1 - target) ** 0.5 * noise


def test_noise_only_grows():
    share = alphas_cumprod(ScheduleSpec())
    assert share.shape == (1000,)
    assert (np.diff(share) < 0).all()
    assert share[0] == 1 - 0.00085
    # The last level is nearly, not wholly noise: sqrt(abar) = 0.068.
    assert share[-1] ** 0.5 == pytest.approx(0.0682, abs=1e-4)


@every_prediction
def test_the_way_back_asks_at_the_same_timesteps(rule):
    up, down = inversion_steps(SCHEDULES[rule]), denoising_steps(SCHEDULES[rule])
    np.testing.assert_array_equal(up.timestep, UP)
    np.testing.assert_array_equal(down.timestep, UP[::-1])
    assert up.timestep.dtype == jnp.int32
    assert up.latents_factor.dtype == up.prediction_factor.dtype == jnp.float32


@every_prediction
def test_every_step_is_equation_12(rule):
    schedule = SCHEDULES[rule]
    latents, *predictions = random_latents(21).astype(np.float64)
    below = [0, *UP[:-1]]
    pairs = [*zip(below, UP, strict=True), *zip(UP[::-1], below[::-1], strict=True)]
    share = alphas_cumprod(schedule)
    expected = []
    for prediction, (source, target) in zip(predictions, pairs, strict=True):
        latents = equation_12(
            latents, prediction, source=share[source], target=share[target], rule=rule
        )
        expected.append(latents)
    _, found = our_walk(rule)
    assert_close(found, expected)


def assert_close(found, expected) -> None:
    largest = np.abs(np.stack(expected)).max()
    for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        bound = 3 * (1 + index) * EPS * largest
        assert np.abs(np.asarray(ours) - theirs).max() <= bound


@every_prediction
def test_a_step_up_and_its_way_back_cancel(rule):
    schedule = SCHEDULES[rule]
    latents, *predictions = random_latents(51)
    predictions = np.stack(predictions)
    steps = {"num_steps": 50, "num_inference_steps": 50}
    up, down = inversion_steps(schedule, **steps), denoising_steps(schedule, **steps)
    down = jax.tree.map(jnp.flip, down)
    np.testing.assert_array_equal(up.timestep, down.timestep)
    after = np.asarray(scanned(latents, predictions, up))
    before = np.concatenate([latents[None], after[:-1]])
    if rule == "v":
        # The same image and noise have another velocity after the step: both rotate.
        cosine, sine = (
            np.asarray(factor)[:, None, None, None, None]
            for factor in (up.latents_factor, up.prediction_factor)
        )
        predictions = cosine * predictions - sine * before
    found = jax.vmap(take_step)(jnp.asarray(after), jnp.asarray(predictions), down)
    # The way back carries what was rounded before, times its factor, and rounds again.
    growth = np.maximum(down.latents_factor, 1)
    largest = max(np.abs(x).max() for x in (before, after, predictions))
    error = np.abs(found - before).max(axis=(1, 2, 3, 4))
    assert (error <= 3 * EPS * (2 + growth) * largest).all()


def test_the_velocity_keeps_variances():
    # Of unit latents and velocities that are independent, every step is a rotation.
    steps = inversion_steps(SCHEDULES["v"], num_steps=50)
    length = np.hypot(steps.latents_factor, steps.prediction_factor)
    np.testing.assert_allclose(length, 1.0, atol=2 * EPS)


def test_noise_is_added_as_in_training():
    latents, noise = jnp.asarray(random_latents(2))
    schedule = ScheduleSpec()
    share = alphas_cumprod(schedule)[300]
    noised = add_noise(latents, noise, timestep=300, schedule=schedule)
    expected = share**0.5 * np.float64(latents) + (1 - share) ** 0.5 * np.float64(noise)
    assert noised.dtype == jnp.float32
    assert np.abs(np.asarray(noised) - expected).max() <= 3 * EPS * np.abs(noised).max()


def test_other_schedules():
    schedule = ScheduleSpec()
    np.testing.assert_array_equal(inference_timesteps(schedule, 3), [1, 334, 667])
    steps = inversion_steps(schedule, num_steps=3, num_inference_steps=3)
    np.testing.assert_array_equal(steps.timestep, [1, 334, 667])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps must be from 1 to 1000"),
        ({"num_inference_steps": 1001}, "num_inference_steps must be from 1 to 1000"),
        ({"num_inference_steps": 1000}, "would be at timestep 1000, beyond 999"),
        ({"num_steps": 0}, "num_steps must be from 1 to 50"),
        ({"num_steps": 51}, "num_steps must be from 1 to 50"),
    ],
)
@pytest.mark.parametrize("make", [inversion_steps, denoising_steps])
def test_impossible_schedules_are_refused(make, sizes, message):
    with pytest.raises(ValueError, match=message):
        make(ScheduleSpec(), **sizes)


@pytest.mark.parametrize("timestep", [-1, 1000])
def test_noise_of_no_timestep_is_refused(timestep):
    latents = jnp.zeros(SHAPE)
    with pytest.raises(ValueError, match="timestep must be from 0 to 999"):
        add_noise(latents, latents, timestep=timestep, schedule=ScheduleSpec())


@pytest.mark.parity
@every_prediction
def test_timesteps_and_latents_are_diffusers_in_float64(rule):
    from torch_diffusion import schedulers, torch

    up, down = schedulers(SCHEDULES[rule], 50, torch.float64)
    latents, *predictions = torch.tensor(random_latents(21)).double()
    calls = [(up, t) for t in up.timesteps[:10]]
    calls += [(down, t) for t in down.timesteps[-10:]]
    expected = []
    for prediction, (scheduler, timestep) in zip(predictions, calls, strict=True):
        latents = scheduler.step(prediction, timestep, latents).prev_sample
        expected.append(latents.numpy())
    steps, found = our_walk(rule)
    np.testing.assert_array_equal(steps.timestep, [int(t) for _, t in calls])
    assert_close(found, expected)


@pytest.mark.parity
@pytest.mark.parametrize("count", [1, 7, 20, 50, 999])
def test_timesteps_are_diffusers(count):
    from torch_diffusion import schedulers, torch

    up, down = schedulers(ScheduleSpec(), count, torch.float32)
    found = inference_timesteps(ScheduleSpec(), count)
    np.testing.assert_array_equal(found, up.timesteps)
    np.testing.assert_array_equal(found[::-1], down.timesteps)


@pytest.mark.parity
def test_added_noise_is_diffusers():
    from torch_diffusion import schedulers, torch

    _, down = schedulers(ScheduleSpec(), 50, torch.float64)
    latents, noise = jnp.asarray(random_latents(2))
    expected = down.add_noise(
        *torch.tensor(random_latents(2)).double(), torch.tensor(50)
    )
    found = add_noise(latents, noise, timestep=50, schedule=ScheduleSpec())
    assert_close([found], [expected.numpy()])
