import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import uhseg_jax
from uhseg_jax import backbones, extraction, methods
from uhseg_jax.methods import diffusion_walk, recursive_spectral
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.spectral import aggregation

VIT = "dinov2_reg_test"  # registers: more than one token before the patches
DIFFUSION = "sd_test"
PATCH = backbones.get_variant(VIT).spec.patch
WALK = diffusion_walk.Config(image_size=6 * PATCH, min_size=3, max_depth=3)
LOOK = dataclasses.replace(WALK, image_size=64, passes="single", timestep=3)


def picture(seed=0, *, height=40, width=56):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (height, width, 3), np.uint8)
    image[:, width // 2 :] += 150
    return image


def segmenter(model, config):
    return Segmenter.create(
        method="diffusion_walk", model=model, config=config, refine="none"
    )


def test_attention_of_a_transformer_is_the_mean_between_its_patches():
    chosen = segmenter(VIT, WALK)
    resized = picture(height=6 * PATCH, width=6 * PATCH)
    (found,) = np.asarray(chosen.features([resized]))
    requests = [backbones.FeatureRequest("attention", block) for block in WALK.blocks]
    whole = backbones.forward_features(
        chosen.backbone, resized[None], requests=tuple(requests)
    )
    leading = chosen.backbone.spec.num_prefix_tokens
    assert leading == 5
    mean = np.mean([np.asarray(x, np.float64)[0].mean(0) for x in whole], axis=0)
    mean = mean[leading:, leading:]
    mean /= mean.sum(1, keepdims=True)
    np.testing.assert_allclose(found.reshape(36, 36), mean, rtol=1e-5)


def test_attention_of_a_diffusion_model_is_that_of_its_layers_aggregated():
    chosen = segmenter(DIFFUSION, LOOK)
    resized = picture(height=64, width=64)
    (found,) = np.asarray(chosen.features([resized]))
    request = backbones.AttentionRequest(source="single", timestep=3)
    maps = backbones.self_attention_maps(
        chosen.backbone, resized[None], request=request
    )
    wanted = aggregation.aggregate({cells: x[0] for cells, x in maps.items()})
    assert found.shape == (*max(maps), wanted.shape[1])
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-4)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize(("model", "config"), [(VIT, WALK), (DIFFUSION, LOOK)])
def test_a_image_becomes_a_tree_of_its_pixels(model, config):
    tree = uhseg_jax.segment(
        picture(), method="diffusion_walk", model=model, config=config, refine="none"
    )
    assert tree.labels.shape == (40, 56)
    leaves = np.flatnonzero(tree.is_leaf())
    assert set(np.unique(tree.labels)) <= set(leaves)


def test_the_config_says_how_a_diffusion_model_looks():
    spec = backbones.get_variant(DIFFUSION).spec
    inverted = dataclasses.replace(
        LOOK, passes="inversion", inversion_steps=2, schedule_steps=10
    )
    assert extraction.asked_of(inverted, spec) == backbones.AttentionRequest(
        source="inversion", num_steps=2, schedule_steps=10
    )
    noisy = dataclasses.replace(LOOK, noise=True, seed=7)
    assert extraction.asked_of(noisy, spec) == backbones.AttentionRequest(
        source="single", timestep=3, noise=True, seed=7
    )


def test_a_diffusion_model_has_no_tokens():
    with pytest.raises(ValueError, match="diffusion_walk"):
        Segmenter.create(model=DIFFUSION)
    with pytest.raises(ValueError, match="self_attention_maps"):
        uhseg_jax.extract_features(picture(), model=DIFFUSION, image_size=64)


def test_sides_that_the_model_cannot_take_are_refused_at_once():
    with pytest.raises(ValueError, match="tile"):
        segmenter(DIFFUSION, dataclasses.replace(LOOK, image_size=70))
    with pytest.raises(ValueError, match="patches"):
        segmenter(VIT, dataclasses.replace(WALK, image_size=6 * PATCH + 1))


def test_prompts_that_cannot_be_read_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"vocab\.json"):
        segmenter(DIFFUSION, dataclasses.replace(LOOK, prompt="a cat"))
    with pytest.raises(ValueError, match="for diffusion models"):
        segmenter(VIT, dataclasses.replace(WALK, prompt="a cat"))


def test_timesteps_that_the_schedule_lacks_are_refused_at_once():
    with pytest.raises(ValueError, match="1000"):
        segmenter(DIFFUSION, dataclasses.replace(LOOK, timestep=5000))
    long = dataclasses.replace(LOOK, passes="inversion", schedule_steps=1000)
    with pytest.raises(ValueError, match="take fewer"):
        segmenter(DIFFUSION, long)


def test_what_plays_no_part_compiles_nothing_anew():
    spec = backbones.get_variant(DIFFUSION).spec
    wanted = extraction.asked_of(LOOK, spec)
    for change in ({"seed": 5}, {"inversion_steps": 3}, {"schedule_steps": 20}):
        assert extraction.asked_of(dataclasses.replace(LOOK, **change), spec) == wanted
    noisy = dataclasses.replace(LOOK, noise=True)
    other = dataclasses.replace(noisy, seed=5)
    assert extraction.asked_of(noisy, spec) != extraction.asked_of(other, spec)


def test_a_mesh_changes_nothing_and_is_given_the_weights_once():
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    alone = segmenter(DIFFUSION, LOOK)
    shared = dataclasses.replace(alone, mesh=mesh)
    wanted = np.asarray(alone.features([picture()]))
    np.testing.assert_array_equal(shared.features([picture()]), wanted)
    with jax.transfer_guard_device_to_device("disallow"):
        np.testing.assert_array_equal(shared.features([picture()]), wanted)


@pytest.mark.parametrize(
    ("model", "side"), [("dino_vits8", 480), ("dinov2_vits14", 840), ("sd_v1_4", 512)]
)
def test_presets_are_scaled_to_the_backbone(model, side):
    spec = backbones.get_variant(model).spec
    config = extraction.for_backbone(recursive_spectral.default(), spec)
    assert config.image_size == side
    extraction.check_sides(spec, side, side)


def test_pairs_of_sides_are_scaled_too():
    config = dataclasses.replace(recursive_spectral.default(), image_size=(840, 1680))
    spec = backbones.get_variant("dino_vits8").spec
    assert extraction.for_backbone(config, spec).image_size == (480, 960)


@pytest.mark.parametrize("preset", methods.METHODS["diffusion_walk"].presets)
def test_every_preset_of_the_walk_fits_every_family(preset):
    config = methods.get_method("diffusion_walk").preset(preset)
    for model in ("dinov2_vits14", "dino_vits16", "sd_v1_4", "ssd_1b"):
        spec = backbones.get_variant(model).spec
        scaled = extraction.for_backbone(config, spec)
        extraction.check_sides(spec, *extraction.image_sides(scaled.image_size))
        assert extraction.asked_of(scaled, spec)


def test_features_of_blocks_are_unit_vectors_side_by_side():
    rng = np.random.default_rng(0)
    blocks = tuple(
        jnp.asarray(rng.normal(size=(1, 2, 3, d)), jnp.float32) for d in (4, 5)
    )
    found = np.asarray(extraction.side_by_side(blocks))
    assert found.shape == (1, 2, 3, 9)
    np.testing.assert_allclose((found[..., :4] ** 2).sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(extraction.side_by_side(blocks[:1]), blocks[0])
