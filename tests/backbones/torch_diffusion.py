"""The live models of diffusers and transformers that ours are compared with.

Weights are random (biases and norms too: initial zeros and ones would hide mistakes).
"""

from typing import Any

import pytest
from torch_models import assert_parity, torch, transformers

from uhseg_jax.backbones.diffusion.names import DIFFUSION_NAMING
from uhseg_jax.backbones.diffusion.spec import ScheduleSpec
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.weights.convert import convert_tensors

__all__ = [
    "assert_parity",
    "converted",
    "diffusers",
    "randomised",
    "schedulers",
    "text_encoder",
    "torch",
    "transformers",
]

diffusers = pytest.importorskip(
    "diffusers", reason="needs the `parity` extra: diffusers"
)

# The models are tiny: threads would wait for one another.
torch.set_num_threads(1)


def randomised(model: Any) -> Any:
    """The model with random weights everywhere that keep activations near one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim > 1 and "embedding" not in name:
                weight.copy_(noise / weight[0].numel() ** 0.5)
            elif "norm" in name and name.endswith("weight"):
                weight.copy_(1.0 + 0.2 * noise)
            else:
                weight.copy_(0.2 * noise)
    return model.eval()


def text_encoder(spec: TextEncoderSpec) -> Any:
    """transformers' text encoder of a specification."""
    config = transformers.CLIPTextConfig(
        vocab_size=spec.vocabulary,
        hidden_size=spec.width,
        intermediate_size=4 * spec.width,
        projection_dim=spec.projection or spec.width,
        num_hidden_layers=spec.depth,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.length,
        hidden_act=spec.mlp,
        layer_norm_eps=spec.norm_epsilon,
        bos_token_id=spec.start,
        eos_token_id=spec.end,
        pad_token_id=spec.padding,
        attn_implementation="eager",
    )
    if spec.projection is None:
        return transformers.CLIPTextModel(config)
    return transformers.CLIPTextModelWithProjection(config)


def converted(model: Any, abstract: Any, *, prefix: str) -> Any:
    """Our parameters from the weights of a torch model.

    Args:
      model: the torch model.
      abstract: our parameters as shapes.
      prefix: of the model's names in the folders of diffusers, such as ``"vae."``.
    """
    part = prefix.split(".")[0]
    tensors = {
        prefix + name: weight.numpy() for name, weight in model.state_dict().items()
    }
    return convert_tensors(tensors, {part: abstract}, naming=DIFFUSION_NAMING)[part]


def schedulers(spec: ScheduleSpec, num_inference_steps: int, dtype: Any) -> Any:
    """The schedulers of an inversion and of the way back, their tables in a dtype."""
    down = diffusers.DDIMScheduler(
        num_train_timesteps=spec.num_timesteps,
        beta_start=spec.beta_start,
        beta_end=spec.beta_end,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=spec.offset,
        prediction_type={"epsilon": "epsilon", "v": "v_prediction"}[spec.prediction],
        timestep_spacing="leading",
    )
    # As users of diffusers do: from the configuration of the other.
    up = diffusers.DDIMInverseScheduler.from_config(down.config)
    roots = torch.linspace(
        spec.beta_start**0.5, spec.beta_end**0.5, spec.num_timesteps, dtype=dtype
    )
    for scheduler in (up, down):
        scheduler.alphas_cumprod = torch.cumprod(1 - roots**2, dim=0)
        scheduler.set_timesteps(num_inference_steps)
    up.initial_alpha_cumprod = up.alphas_cumprod[0]
    down.final_alpha_cumprod = down.alphas_cumprod[0]
    return up, down
