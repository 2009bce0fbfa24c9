"""The whole model: its parts, images, prompts; and which backbone is for what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusers_folder import MICRO, MICRO_TWO, micro_backbone, params_of

from uhseg_jax.backbones import (
    VARIANTS,
    Backbone,
    check_image_sides,
    forward_features,
    load_backbone,
    num_parameters,
    prompt_ids,
    read_prompt,
    self_attention_maps,
)
from uhseg_jax.backbones.diffusion.autoencoder import Autoencoder, scale_pixels
from uhseg_jax.backbones.diffusion.model import (
    Diffusion,
    Prompt,
    abstract_params,
    random_params,
)
from uhseg_jax.backbones.diffusion.unet import AddedCondition, UNet
from uhseg_jax.backbones.text.encoder import TextEncoder
from uhseg_jax.backbones.vit.family import VisionTransformers
from uhseg_jax.backbones.vit.model import ViT

TWO = MICRO_TWO
FIRST, SECOND = TWO.text_encoders
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 8, 16, 3), np.uint8)


def apply(spec, params, *args, **kwargs):
    args = jax.tree.map(jnp.asarray, args)
    return Diffusion(spec).apply({"params": params}, *args, **kwargs)


# As diffusers and transformers count the parts; the tests of the parts count ours.
UNETS = {"sd_v1": 859_520_964, "sd_v2": 865_910_724, "ssd_1b": 1_331_334_404}
ENCODERS = {"vit_l": 123_060_480, "vit_h": 340_387_840, "vit_bigg": 694_659_840}
AUTOENCODER = 34_163_664


@pytest.mark.parametrize(
    ("name", "unet", "encoders"),
    [
        ("sd_v1_4", "sd_v1", ("vit_l",)),
        ("sd_v1_5", "sd_v1", ("vit_l",)),
        ("sd_v2_1_base", "sd_v2", ("vit_h",)),
        ("ssd_1b", "ssd_1b", ("vit_l", "vit_bigg")),
    ],
)
def test_the_table_has_the_published_numbers_of_parameters(name, unet, encoders):
    variant = VARIANTS[name]
    texts = sum(ENCODERS[encoder] for encoder in encoders)
    assert variant.parameters == UNETS[unet] + texts + AUTOENCODER
    assert (
        len(variant.source.parts)
        == 2 + len(encoders)
        == 2 + len(variant.spec.text_encoders)
    )


def test_the_table_has_the_number_of_parameters_that_there_are():
    variant = VARIANTS["sd_test"]
    assert variant.parameters == num_parameters(variant.spec)


def test_random_parameters_are_whole_and_the_same_every_time():
    first, second = params_of(TWO), random_params(TWO)
    assert set(first) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    jax.tree.map(np.testing.assert_array_equal, first, second)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), first)
    assert shapes == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), abstract_params(TWO)
    )
    assert all(np.ptp(leaf) > 0 for leaf in jax.tree.leaves(first) if leaf.size > 1)


def test_images_become_the_latents_of_the_autoencoder():
    params = params_of(MICRO)

    @jax.jit
    def both(pixels):
        alone = Autoencoder(MICRO.autoencoder)
        latents = alone.apply({"params": params["vae"]}, scale_pixels(pixels))
        return apply(MICRO, params, pixels, method="encode"), latents

    found, expected = both(PIXELS)
    assert found.shape == (2, 4, 8, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_two_encoders_stand_side_by_side_and_the_second_is_pooled():
    params = params_of(TWO)
    ids = prompt_ids(micro_backbone(TWO))
    np.testing.assert_array_equal(ids[0][0, :3], [512, 513, 513])
    np.testing.assert_array_equal(ids[1][0, :3], [512, 513, 0])
    found = read_prompt(micro_backbone(TWO))
    for encoder, part, x, channels in (
        (FIRST, "text_encoder", ids[0], slice(0, 8)),
        (SECOND, "text_encoder_2", ids[1], slice(8, 20)),
    ):
        encode = jax.jit(TextEncoder(encoder).apply)
        expected = encode({"params": params[part]}, jnp.asarray(x))
        largest = np.abs(expected.tokens).max()
        np.testing.assert_allclose(
            found.tokens[..., channels], expected.tokens, atol=1e-6 * largest
        )
    np.testing.assert_allclose(found.pooled, expected.pooled, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"has 2 text encoders.*found 1 arrays"):
        apply(TWO, params, ids[:1], method="read")


def test_one_prompt_goes_with_every_image():
    params, rng = params_of(TWO), np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(np.float32))

    latents, one = normal(2, 4, 6, 4), Prompt(normal(1, 5, 20), normal(1, 6))
    each = Prompt(*(jnp.repeat(x, 2, axis=0) for x in one))
    # Rows and columns of the image, no crop, the same size wanted.
    sizes = jnp.array([[8.0, 12, 0, 0, 8, 12]] * 2)

    @jax.jit
    def both(latents):
        expected, _ = UNet(TWO.unet).apply(
            {"params": params["unet"]},
            latents,
            jnp.array([7, 7]),
            each.tokens,
            added=AddedCondition(each.pooled, sizes),
        )
        arguments = (latents, jnp.int32(7), one)
        found, sums = apply(TWO, params, *arguments, method="predict")
        assert sums is None
        return found, expected

    found, expected = both(latents)
    # At most compiled otherwise.
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert np.ptp(expected) > 0


def test_an_image_that_cannot_be_halved_is_refused_with_the_nearest_size():
    spec = VARIANTS["sd_v1_4"].spec
    check_image_sides(spec, 512, 64)
    with pytest.raises(ValueError, match="64 x 64 pixels, which do not tile 500 x 30"):
        check_image_sides(spec, 500, 30)
    with pytest.raises(ValueError, match="nearest size that fits is 512 x 64"):
        check_image_sides(spec, 500, 30)
    with pytest.raises(ValueError, match="0 x 512"):
        check_image_sides(spec, 0, 512)
    with pytest.raises(ValueError, match="which do not tile 8 x 10"):
        apply(MICRO, params_of(MICRO), PIXELS[:, :, :10], method="encode")


def test_each_family_says_what_the_other_is_for():
    with pytest.raises(ValueError, match=r"but micro is none; .*self_att"):
        forward_features(micro_backbone(), PIXELS)
    module = ViT(VARIANTS["dinov2_test"].spec)
    vit = Backbone("dinov2_test", module, dict, "0" * 64, VisionTransformers())
    with pytest.raises(ValueError, match="dinov2_test is a Vision Transformer"):
        self_attention_maps(vit, PIXELS)
    with pytest.raises(ValueError, match="dinov2_test is a Vision Transformer"):
        prompt_ids(vit)


def test_a_prompt_without_a_tokenizer_says_what_to_do():
    words = r"without vocab\.json.* in the folder FOLDER of the published weights"
    with pytest.raises(ValueError, match=words):
        read_prompt(micro_backbone(), "a cat")


def test_the_variant_for_tests_is_loaded_like_any_other():
    first = load_backbone("sd_test", dtype="float32")
    assert first is load_backbone("sd_test", dtype="float32")
    assert first.module.dtype == jnp.float32
    assert first.spec is VARIANTS["sd_test"].spec
    assert (
        first.weights_sha256
        == load_backbone("sd_test", dtype="bfloat16").weights_sha256
    )
