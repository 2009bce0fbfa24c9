"""Steps up and down the noise schedule without chance: DDIM and its inversion.

Song, Meng & Ermon, "Denoising Diffusion Implicit Models" (2021), equation 12 with
sigma = 0; the inversion is the same step the other way (section 4.3 there). The
velocity is that of Salimans & Ho, "Progressive Distillation" (2022), appendix D.

The latents of timestep t are sqrt(abar_t) x + sqrt(1 - abar_t) e. Equation 12 takes x
and e out of them with the U-Net's prediction and puts them together for another
timestep, so it is linear in latents and prediction: two numbers say all of a step.

The timesteps have diffusers' "leading" spacing: with 50 inference steps of 1,000 and
offset 1 they are 1, 21, 41, ..., 981. Below the first stands the level of timestep 0,
which clean latents are taken for (``set_alpha_to_one=False``). Going up, diffusers'
inverse scheduler gives the U-Net the timestep that is *reached*, and going down the one
that is *left*:

    inversion    from level  0 with U-Net at   1 to   1
                 from        1               21      21
                 ...
                 from      161              181     181   (the tenth)
    denoising    from      181              181     161
                 ...
                 from       21               21       1
                 from        1                1       0

So a step and its way back give the U-Net the same timestep, though other latents.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.diffusion.spec import ScheduleSpec
from uhseg_jax.types import Array, Float, Int

__all__ = [
    "Steps",
    "add_noise",
    "alphas_cumprod",
    "denoising_steps",
    "inference_timesteps",
    "inversion_steps",
    "take_step",
]


class Steps(NamedTuple):
    """Steps in the order in which they are taken: what `jax.lax.scan` goes over.

    One step is the same with scalars in place of the arrays.

    Attributes:
      timestep: what the U-Net is given, int32.
      latents_factor: by which the latents are multiplied, float32.
      prediction_factor: by which the prediction is, before the two are added.
    """

    timestep: Int[Array, " steps"]
    latents_factor: Float[Array, " steps"]
    prediction_factor: Float[Array, " steps"]


def alphas_cumprod(schedule: ScheduleSpec) -> Float[np.ndarray, " timesteps"]:
    """The share abar of the image in the variance of latents, of every timestep.

    float64, decreasing from just below one.
    """
    betas = np.linspace(
        schedule.beta_start**0.5, schedule.beta_end**0.5, schedule.num_timesteps
    )
    return np.cumprod(1.0 - betas**2)


def inference_timesteps(
    schedule: ScheduleSpec, num_inference_steps: int
) -> Int[np.ndarray, " steps"]:
    """The timesteps of inference, from the least noise to the most.

    They are evenly spaced ("leading") from the schedule's offset on.

    Raises:
      ValueError: there are not that many timesteps.
    """
    stride = _stride(schedule, num_inference_steps)
    return np.arange(num_inference_steps, dtype=np.int32) * stride + schedule.offset


def inversion_steps(
    schedule: ScheduleSpec, *, num_steps: int = 10, num_inference_steps: int = 50
) -> Steps:
    """The first steps up, from clean latents towards noise.

    Args:
      schedule: how noise was added in training, and what the U-Net predicts.
      num_steps: how many steps to take.
      num_inference_steps: steps of the whole schedule.

    Returns:
      The steps, the one from the clean latents first.

    Raises:
      ValueError: the schedule has fewer steps or timesteps.
    """
    timesteps, below = _lowest_timesteps(schedule, num_steps, num_inference_steps)
    return _steps(schedule, timesteps, source=below, target=timesteps)


def denoising_steps(
    schedule: ScheduleSpec, *, num_steps: int = 10, num_inference_steps: int = 50
) -> Steps:
    """The last steps down, from where `inversion_steps` ended to clean latents.

    Arguments and errors are those of `inversion_steps`.
    """
    timesteps, below = _lowest_timesteps(schedule, num_steps, num_inference_steps)
    return _steps(schedule, timesteps[::-1], source=timesteps[::-1], target=below[::-1])


def take_step(
    latents: Float[Array, "b h w c"], prediction: Float[Array, "b h w c"], step: Steps
) -> Float[Array, "b h w c"]:
    """One step up or down (equation 12 with sigma = 0), by the U-Net's prediction."""
    return latents * step.latents_factor + prediction * step.prediction_factor


def add_noise(
    latents: Float[Array, "b h w c"],
    noise: Float[Array, "b h w c"],
    *,
    timestep: int,
    schedule: ScheduleSpec,
) -> Float[Array, "b h w c"]:
    """Latents as training would have noised them (equation 4).

    Args:
      latents: clean latents.
      noise: standard normal.
      timestep: from 0; a higher one adds more noise.
      schedule: how noise was added in training.

    Returns:
      The latents of that timestep.

    Raises:
      ValueError: the schedule has no such timestep.
    """
    if not 0 <= timestep < schedule.num_timesteps:
        raise ValueError(
            f"timestep must be from 0 to {schedule.num_timesteps - 1}, but is "
            f"{timestep}."
        )
    share = alphas_cumprod(schedule)[timestep]
    signal, sigma = jnp.float32(share**0.5), jnp.float32((1.0 - share) ** 0.5)
    return latents * signal + noise * sigma


def _stride(schedule: ScheduleSpec, num_inference_steps: int) -> int:
    """Timesteps from one inference step to the next."""
    total = schedule.num_timesteps
    if not 1 <= num_inference_steps <= total:
        raise ValueError(
            f"num_inference_steps must be from 1 to {total}, the timesteps of training,"
            f" but is {num_inference_steps}."
        )
    stride = total // num_inference_steps
    last = (num_inference_steps - 1) * stride + schedule.offset
    if last >= total:
        raise ValueError(
            f"The last of {num_inference_steps} inference steps would be at timestep "
            f"{last}, beyond {total - 1}, the last of training; take fewer."
        )
    return stride


def _lowest_timesteps(
    schedule: ScheduleSpec, num_steps: int, num_inference_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The lowest timesteps of inference, and for each the one below it."""
    timesteps = inference_timesteps(schedule, num_inference_steps)
    if not 1 <= num_steps <= num_inference_steps:
        raise ValueError(
            f"num_steps must be from 1 to {num_inference_steps}, the number of "
            f"inference steps, but is {num_steps}."
        )
    timesteps = timesteps[:num_steps]
    stride = _stride(schedule, num_inference_steps)
    return timesteps, np.maximum(timesteps - stride, 0)


def _steps(
    schedule: ScheduleSpec,
    timesteps: np.ndarray,
    *,
    source: np.ndarray,
    target: np.ndarray,
) -> Steps:
    """Equation 12 between levels, as factors; computed in float64."""
    shares = alphas_cumprod(schedule)
    signal, sigma = np.sqrt(shares), np.sqrt(1.0 - shares)
    match schedule.prediction:
        case "epsilon":
            # x = (z - sigma e) / signal
            of_latents = signal[target] / signal[source]
            of_prediction = sigma[target] - of_latents * sigma[source]
        case "v":
            # x = signal z - sigma v, e = sigma z + signal v: a rotation
            of_latents = signal[target] * signal[source] + sigma[target] * sigma[source]
            of_prediction = (
                sigma[target] * signal[source] - signal[target] * sigma[source]
            )
        case other:
            raise ValueError(
                f"Unknown prediction {other!r}; expected 'epsilon' or 'v'."
            )
    return Steps(
        timestep=jnp.asarray(timesteps, jnp.int32),
        latents_factor=jnp.asarray(of_latents, jnp.float32),
        prediction_factor=jnp.asarray(of_prediction, jnp.float32),
    )
