"""Real register weights, read from a `.pt` in the original naming, against torch."""

import re

import flax.traverse_util
import jax
import numpy as np
import pytest
import skimage.data
from torch_models import EPS, torch, transformers

from uhseg_jax import backbones, images
from uhseg_jax.backbones.vit.features import normalise_pixels

MODEL = "dinov2_vits14_reg_mri"


@pytest.fixture(scope="module")
def backbone():
    if not backbones.is_cached(MODEL, backbones.checkpoint_directory()):
        pytest.skip(f"{MODEL} is not converted: uhseg-convert --model={MODEL}")
    return backbones.load_backbone(MODEL)


def reference(params):
    """transformers' model with the same weights, laid out as torch has them."""
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=384,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        num_register_tokens=4,
    )
    model = transformers.Dinov2WithRegistersModel(config).eval()
    names = {
        r"block0?(\d+)/": r"encoder/layer/\1/",
        r"attention/(\w)\w+/": r"attention/\1_proj/",
        r"scale(\d)/gamma": r"layer_scale\1/lambda1",
        r"^norm/": "layernorm/",
        r"^patch_embed/": "embeddings/patch_embeddings/projection/",
        r"/(?:scale|kernel)$": "/weight",
    }
    positions = params.pop("positions").reshape(-1, 384)
    ours = {
        "embeddings.cls_token": params.pop("class_token")[None, None],
        "embeddings.register_tokens": params.pop("registers")[None],
        "embeddings.position_embeddings": np.concatenate(
            [
                params.pop("class_position")[None],
                positions,
            ]
        )[None],
    }
    for path, array in flax.traverse_util.flatten_dict(params, sep="/").items():
        axes = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[array.ndim]
        name = path
        for pattern, theirs in names.items():
            name = re.sub(pattern, theirs, name)
        ours[name.replace("/", ".")] = array.transpose(axes)
    tensors = {name: torch.tensor(np.ascontiguousarray(x)) for name, x in ours.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert missing == ["embeddings.mask_token"]
    assert not unexpected
    return model


@pytest.mark.parity
@pytest.mark.parametrize("size", [(518, 518), (420, 560)])
def test_tokens_are_those_of_torch(backbone, size):
    params = jax.device_get(backbone.params)
    pixels = images.resize(skimage.data.astronaut(), size)[None]
    (ours,) = backbones.forward_features(backbone, pixels)
    scaled = np.array(normalise_pixels(jax.numpy.asarray(pixels), backbone.spec))
    with torch.no_grad():
        tokens = reference(params)(torch.tensor(scaled.transpose(0, 3, 1, 2)))
    theirs = tokens.last_hidden_state[:, 5:].numpy().reshape(ours.shape)
    error = np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()
    # As for random weights, times the growth of real ones: their inner tokens reach
    # hundreds, and the final norm divides what is left by them.
    assert error < 12 * 13**0.5 * 10 * EPS
