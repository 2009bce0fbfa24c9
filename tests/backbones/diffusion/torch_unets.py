"""The live U-Nets of diffusers that ours are compared with."""

import re
from typing import Any

import numpy as np
from torch_diffusion import diffusers, randomised, torch

from uhseg_jax.backbones.diffusion.spec import UNetSpec
from uhseg_jax.backbones.diffusion.unet import AddedCondition


def torch_unet(spec: UNetSpec) -> Any:
    """A model of diffusers that is what the spec says, with random weights."""
    down = [("CrossAttn" if sum(depths) else "") for depths in spec.down_depths]
    up = [("CrossAttn" if sum(depths) else "") for depths in spec.up_depths]
    middle = "UNetMidBlock2D" + ("" if spec.middle_depth is None else "CrossAttn")
    config = {
        "in_channels": spec.latent_channels,
        "out_channels": spec.latent_channels,
        "block_out_channels": spec.channels,
        "attention_head_dim": list(spec.heads),
        "layers_per_block": len(spec.down_depths[0]),
        "down_block_types": [f"{kind}DownBlock2D" for kind in down],
        "up_block_types": [f"{kind}UpBlock2D" for kind in up],
        "mid_block_type": middle,
        "cross_attention_dim": spec.context_width,
        "use_linear_projection": spec.linear_projection,
        "norm_num_groups": spec.groups,
        "norm_eps": spec.norm_epsilon,
        "transformer_layers_per_block": [list(depths) for depths in spec.down_depths],
        "reverse_transformer_layers_per_block": [list(d) for d in spec.up_depths],
    }
    if spec.middle_depth is not None:
        # The depth of the middle is that of the last level, so one number for each.
        config["transformer_layers_per_block"] = [
            *(max(depths) for depths in spec.down_depths[:-1]),
            spec.middle_depth,
        ]
        config["reverse_transformer_layers_per_block"] = None
    if spec.added_width is not None:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": spec.size_width,
            "projection_class_embeddings_input_dim": spec.added_width,
        }
    with torch.no_grad():
        return randomised(diffusers.UNet2DConditionModel(**config))


class _Recorder:
    """An attention processor that makes the whole map, and keeps it for attn1."""

    def __init__(self, maps: dict[str, np.ndarray], name: str):
        self.maps, self.name = maps, name

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        own = encoder_hidden_states is None
        source = hidden_states if own else encoder_hidden_states
        query, key, value = (
            attn.head_to_batch_dim(tokens)
            for tokens in (
                attn.to_q(hidden_states),
                attn.to_k(source),
                attn.to_v(source),
            )
        )
        weights = attn.get_attention_scores(query, key)
        if own:
            batch = len(hidden_states)
            by_head = weights.reshape(batch, attn.heads, *weights.shape[1:])
            self.maps[self.name] = by_head.mean(1).numpy()
        mixed = attn.batch_to_head_dim(torch.bmm(weights, value))
        return attn.to_out[0](mixed)


def torch_forward(
    model: Any,
    latents: np.ndarray,
    timesteps: np.ndarray,
    context: np.ndarray,
    added: AddedCondition | None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The prediction [b, h, w, c], and the map of every self-attention by our name."""
    maps: dict[str, np.ndarray] = {}
    processors = {}
    for name in model.attn_processors:
        place = re.sub(r"\.(\d+)", r"_\1", name).replace(".", "/")
        processors[name] = _Recorder(maps, place.removesuffix("/attn1/processor"))
    model.set_attn_processor(processors)
    condition = {}
    if added is not None:
        condition["added_cond_kwargs"] = {
            "text_embeds": torch.tensor(added.pooled),
            "time_ids": torch.tensor(added.sizes),
        }
    with torch.no_grad():
        predicted = model(
            torch.tensor(latents.transpose(0, 3, 1, 2).copy()),
            torch.tensor(timesteps),
            torch.tensor(context),
            **condition,
        ).sample
    return predicted.numpy().transpose(0, 2, 3, 1), maps
