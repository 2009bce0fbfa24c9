"""Real register weights, read from a `.pt` in the original naming, against torch."""

import jax
import numpy as np
import pytest
import skimage.data

from uhseg_jax import backbones, images
from uhseg_jax.backbones.vit.features import normalise_pixels

torch = pytest.importorskip("torch", reason="needs the `parity` extra: torch")
transformers = pytest.importorskip(
    "transformers", reason="needs the `parity` extra: transformers"
)

MODEL = "dinov2_vits14_reg_mri"
EPS = float(np.finfo(np.float32).eps)


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
    positions = params["positions"].reshape(1, -1, 384)
    first = params["class_position"].reshape(1, 1, 384)
    ours = {
        "embeddings.cls_token": params["class_token"].reshape(1, 1, 384),
        "embeddings.register_tokens": params["registers"][None],
        "embeddings.position_embeddings": np.concatenate([first, positions], axis=1),
        "embeddings.patch_embeddings.projection.weight": params["patch_embed"][
            "kernel"
        ].transpose(3, 2, 0, 1),
        "embeddings.patch_embeddings.projection.bias": params["patch_embed"]["bias"],
        "layernorm.weight": params["norm"]["scale"],
        "layernorm.bias": params["norm"]["bias"],
    }
    for i in range(12):
        block, layer = params[f"block{i:02d}"], f"encoder.layer.{i}"
        for norm in ("norm1", "norm2"):
            ours[f"{layer}.{norm}.weight"] = block[norm]["scale"]
            ours[f"{layer}.{norm}.bias"] = block[norm]["bias"]
        linears = {
            "attention.q_proj": block["attention"]["query"],
            "attention.k_proj": block["attention"]["key"],
            "attention.v_proj": block["attention"]["value"],
            "attention.o_proj": block["attention"]["output"],
            "mlp.fc1": block["mlp"]["fc1"],
            "mlp.fc2": block["mlp"]["fc2"],
        }
        for name, linear in linears.items():
            ours[f"{layer}.{name}.weight"] = linear["kernel"].T
            ours[f"{layer}.{name}.bias"] = linear["bias"]
        for scale in (1, 2):
            ours[f"{layer}.layer_scale{scale}.lambda1"] = block[f"scale{scale}"][
                "gamma"
            ]
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
