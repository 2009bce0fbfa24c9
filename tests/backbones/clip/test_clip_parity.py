"""Both sides of CLIP against transformers' CLIPModel with random weights.

The tolerance comes from depth, as in vit/test_parity.
"""

import functools

import jax
import numpy as np
import pytest
from torch_diffusion import randomised
from torch_models import assert_parity, tensors_of, torch, transformers

from uhseg_jax.backbones import Backbone, Clip, ViTSpec, family_of
from uhseg_jax.backbones.clip.spec import TextSideSpec
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.vit.spec import CLIP_MEAN, CLIP_STD
from uhseg_jax.backbones.weights.convert import convert_tensors

pytestmark = pytest.mark.parity

IMAGE = ViTSpec(
    patch=8,
    width=48,
    depth=3,
    heads=3,
    mlp="quick_gelu",
    native_grid=4,
    positions="size",
    patch_bias=False,
    embedding_norm=True,
    layer_scale=False,
    norm_epsilon=1e-5,
    mean=CLIP_MEAN,
    std=CLIP_STD,
)
TEXT = TextSideSpec(
    text=TextEncoderSpec(
        vocabulary=514,
        width=24,
        depth=3,
        heads=3,
        start=512,
        end=513,
        padding=513,
        projection=20,
    ),
    image_width=48,
)


@functools.cache
def reference():
    """The torch model; weights that keep activations near one."""
    text = TEXT.text
    config = transformers.CLIPConfig(
        projection_dim=TEXT.width,
        text_config={
            "vocab_size": text.vocabulary,
            "hidden_size": text.width,
            "intermediate_size": 4 * text.width,
            "num_hidden_layers": text.depth,
            "num_attention_heads": text.heads,
            "max_position_embeddings": text.length,
            "bos_token_id": text.start,
            "eos_token_id": text.end,
            "pad_token_id": text.padding,
        },
        vision_config={
            "hidden_size": IMAGE.width,
            "intermediate_size": IMAGE.mlp_hidden,
            "num_hidden_layers": IMAGE.depth,
            "num_attention_heads": IMAGE.heads,
            "image_size": IMAGE.patch * IMAGE.native_grid,
            "patch_size": IMAGE.patch,
        },
    )
    model = transformers.CLIPModel(config)
    scale = model.logit_scale.detach().clone()  # as it begins; a random one says little
    randomised(model).logit_scale.data = scale
    return model


@functools.cache
def ours() -> Clip:
    tensors = tensors_of(reference())
    sides = []
    for name, spec in (("clip_test", IMAGE), ("clip_test_text", TEXT)):
        family = family_of(spec)
        params = convert_tensors(
            tensors, family.abstract_params(spec), naming=family.naming
        )
        module = family.module(spec, dtype=np.float32, attention="whole")
        placed = jax.device_put(params)
        read = functools.partial(lambda x: x, placed)
        sides.append(Backbone(name, module, read, "", family))
    return Clip(*sides)


def random_pixels(rows: int, columns: int) -> np.ndarray:
    size = (2, rows * IMAGE.patch, columns * IMAGE.patch, 3)
    return np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)


def normalised(pixels: np.ndarray) -> np.ndarray:
    mean, std = (np.array(x, np.float32) for x in (CLIP_MEAN, CLIP_STD))
    return (pixels / np.float32(255) - mean) / std


def torch_images(pixels: np.ndarray):
    return torch.tensor(normalised(pixels).transpose(0, 3, 1, 2).copy())


def prompts() -> np.ndarray:
    ids = np.full((3, 77), 513, np.int32)
    ids[:, 0] = 512
    ids[1, 1:4] = [97, 98, 99 + 256]
    ids[2, 1:-1] = np.arange(75) + 30
    return ids


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_texts_class_tokens_and_their_similarities_are_transformers():
    clip, ids, pixels = ours(), prompts(), random_pixels(4, 4)
    with torch.no_grad():
        expected = reference()(
            input_ids=torch.tensor(ids).long(), pixel_values=torch_images(pixels)
        )

    @jax.jit
    def both(ids, pixels):
        image, text = clip.image.module, clip.text.module
        _, out = image.apply({"params": clip.image.params}, pixels)
        variables = {"params": clip.text.params}
        texts = text.apply(variables, ids, method="read")
        images = text.apply(variables, out.class_token, method="project")
        return texts, images, text.apply(variables, ids, out.class_token)

    texts, images, logits = both(ids, normalised(pixels))
    for found, theirs in (
        (unit(texts), expected.text_embeds),
        (unit(images), expected.image_embeds),
        (logits, expected.logits_per_image),
    ):
        assert_parity(found, theirs.numpy(), blocks=4, report={})


@pytest.mark.parametrize("grid", [(4, 4), (6, 3)])
def test_patches_are_values_of_the_last_block_projected_by_torch(grid):
    model, pixels = reference(), random_pixels(*grid)
    attention = model.vision_model.encoder.layers[-1].self_attn
    values = []
    handle = attention.v_proj.register_forward_hook(lambda *x: values.append(x[2]))
    with torch.no_grad():
        model.get_image_features(torch_images(pixels), interpolate_pos_encoding=True)
        handle.remove()
        tokens = attention.out_proj(values[0][:, 1:])
        projected = model.visual_projection(model.vision_model.post_layernorm(tokens))
    expected = unit(projected.numpy()).reshape(2, *grid, -1)
    found = np.stack([ours().patches(image, grid) for image in pixels])
    assert_parity(found, expected, blocks=4, report={})


def test_labels_are_means_of_unit_texts():
    texts = [["a cat", "the cat"], ["some grass", "grass", "a photo of grass"]]
    clip = ours()
    found = clip.labels(texts)
    ids = np.stack([clip._ids(text) for label in texts for text in label])
    with torch.no_grad():
        features = reference().get_text_features(torch.tensor(ids).long())
    features = getattr(features, "pooler_output", features)
    units = unit(features.numpy())
    expected = unit(np.stack([units[:2].mean(axis=0), units[2:].mean(axis=0)]))
    assert_parity(found, expected, blocks=4, report={})
