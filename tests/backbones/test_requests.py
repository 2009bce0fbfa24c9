"""Requests mean the same for every backbone, and each family answers them."""

import dataclasses

import jax
import numpy as np
import pytest

from uhseg_jax import backbones
from uhseg_jax.backbones import (
    AttentionRequest,
    ClassTokenRequest,
    Extractor,
    FeatureRequest,
    PatchRequest,
)
from uhseg_jax.spectral import aggregation

VIT = "dinov2_reg_test"  # registers: more than one token before the patches
DIFFUSION = "sd_test"
SINGLE = AttentionRequest(source="single", timestep=3, grid=8)
ATTENTION = AttentionRequest(grid=(2, 3))


def photo(height=40, width=56):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (height, width, 3), np.uint8)
    image[:, width // 2 :] += 150
    return image


def resolve(model, request):
    spec = backbones.get_variant(model).spec
    family = backbones.family_of(spec)
    resolved = family.resolve(spec, request)
    return resolved, family.image_size(spec, resolved)


@pytest.fixture(scope="module")
def vit():
    return backbones.load_backbone(VIT)


@pytest.fixture(scope="module")
def diffusion():
    return backbones.load_backbone(DIFFUSION)


@pytest.fixture(scope="module")
def resized(vit):
    patch = vit.spec.patch
    return photo(2 * patch, 3 * patch)


@pytest.fixture(scope="module")
def facets(vit, resized):
    """All that the requests below are made of, from one forward."""
    requests = [
        FeatureRequest(facet, block)
        for facet in ("token", "key", "attention", "class_attention", "class_token")
        for block in (-2, -1)
    ]
    found = backbones.forward_features(vit, resized[None], requests=tuple(requests))
    return {
        (r.facet, r.block): np.asarray(x)[0]
        for r, x in zip(requests, found, strict=True)
    }


def test_patches_of_several_blocks_are_unit_vectors_side_by_side(vit, resized, facets):
    found = np.asarray(vit.answer(resized, PatchRequest(grid=(2, 3), blocks=(-2, -1))))
    parts = [facets["token", block] for block in (-2, -1)]
    units = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in parts]
    np.testing.assert_allclose(found, np.concatenate(units, axis=-1), atol=1e-5)
    alone = vit.answer(resized, PatchRequest(grid=(2, 3), facet="key"))
    np.testing.assert_allclose(alone, facets["key", -1], rtol=1e-4, atol=1e-5)


def test_attention_of_a_transformer_is_the_mean_between_its_patches(
    vit, resized, facets
):
    found = np.asarray(vit.answer(resized, ATTENTION))
    skip = vit.spec.num_prefix_tokens
    assert skip == 5
    whole = [facets["attention", block].astype(np.float64) for block in (-2, -1)]
    mean = np.mean([x.mean(0) for x in whole], axis=0)[skip:, skip:]
    mean /= mean.sum(1, keepdims=True)
    assert found.shape == (2, 3, 6)
    np.testing.assert_allclose(found.reshape(6, 6), mean, rtol=1e-5)


def test_class_tokens_come_with_their_attention_and_patches(vit, resized, facets):
    request = ClassTokenRequest(grid=(2, 3), attention_block=-2)
    found = jax.tree.map(np.asarray, vit.answer(resized, request))
    np.testing.assert_allclose(found.patches, facets["key", -1], rtol=1e-4, atol=1e-5)
    attention = facets["class_attention", -2].mean(0)
    np.testing.assert_allclose(found.attention, attention, rtol=1e-4)
    np.testing.assert_allclose(
        found.class_token, facets["class_token", -1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_attention_of_a_diffusion_model_is_that_of_its_layers_aggregated(diffusion):
    side = 8 * diffusion.spec.patch
    image = photo(side, side)
    found = np.asarray(diffusion.answer(image, SINGLE))
    maps = backbones.self_attention_maps(diffusion, image[None], request=SINGLE)
    wanted = aggregation.aggregate({grid: x[0] for grid, x in maps.items()})
    assert found.shape == (*max(maps), wanted.shape[1])
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-4)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_a_batch_on_a_mesh_is_its_images_one_by_one(vit):
    images = [photo(), photo(30, 30)]
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
    shared = Extractor(vit, ATTENTION, mesh)
    together = np.asarray(shared(images))
    for found, image in zip(together, images, strict=True):
        np.testing.assert_array_equal(found, vit.answer(image, ATTENTION))
    with jax.transfer_guard_device_to_device("disallow"):  # the weights lie there
        np.testing.assert_array_equal(shared(images), together)


@pytest.mark.parametrize(
    ("model", "request_", "size"),
    [
        ("dinov2_vits14", PatchRequest(), (840, 840)),
        ("dino_vits8", PatchRequest(), (480, 480)),
        ("dino_vits16", PatchRequest(grid=(60, 120)), (960, 1920)),
        ("dino_vits8", ClassTokenRequest(grid=16), (128, 128)),
        ("dinov2_vits14", AttentionRequest(), (518, 518)),
        ("dino_vits8", AttentionRequest(), (296, 296)),
        ("sd_v1_4", AttentionRequest(), (512, 512)),
        ("sd_v2_1", AttentionRequest(), (768, 768)),
        ("sd_v1_4", AttentionRequest(grid=(32, 64)), (256, 512)),
    ],
)
def test_sizes_are_patches_of_the_backbones_grid(model, request_, size):
    assert resolve(model, request_)[1] == size


def test_resolving_twice_changes_nothing():
    for model, request in (
        (VIT, PatchRequest(blocks=(-2, -1))),
        (VIT, ClassTokenRequest(block=-1)),
        (VIT, AttentionRequest()),
        (DIFFUSION, AttentionRequest()),
    ):
        resolved, _ = resolve(model, request)
        assert resolve(model, resolved)[0] == resolved


@pytest.mark.parametrize(
    ("model", "one", "changes", "same"),
    [
        (DIFFUSION, SINGLE, {"seed": 5}, True),
        (DIFFUSION, SINGLE, {"num_steps": 3}, True),
        (DIFFUSION, SINGLE, {"blocks": (0,)}, True),
        (DIFFUSION, SINGLE, {"prompt": "a cat"}, True),
        (DIFFUSION, SINGLE, {"timestep": 4}, False),
        (DIFFUSION, dataclasses.replace(SINGLE, noise=True), {"seed": 5}, False),
        (DIFFUSION, AttentionRequest(), {"timestep": 9}, True),
        (DIFFUSION, AttentionRequest(), {"num_steps": 2}, False),
        (VIT, ATTENTION, {"source": "single", "timestep": 9}, True),
        (VIT, ATTENTION, {"blocks": (-1,)}, False),
    ],
)
def test_what_plays_no_part_compiles_nothing_anew(model, one, changes, same):
    other = dataclasses.replace(one, **changes)
    assert (resolve(model, one) == resolve(model, other)) == same


@pytest.mark.parametrize(
    ("model", "request_", "words"),
    [
        (VIT, PatchRequest(blocks=(-99,)), "-99"),
        (VIT, ClassTokenRequest(class_block=7), "7"),
        (VIT, AttentionRequest(blocks=(99,)), "99"),
        (VIT, AttentionRequest(prompt="a cat"), "for diffusion models"),
        (DIFFUSION, PatchRequest(), "the method diffusion_walk"),
        (DIFFUSION, ClassTokenRequest(), "Vision Transformer for key features"),
        (DIFFUSION, AttentionRequest(grid=33), "tile"),
        (DIFFUSION, AttentionRequest(source="single", timestep=5000), "1000"),
        (DIFFUSION, AttentionRequest(schedule_steps=1000), "take fewer"),
    ],
)
def test_what_a_model_cannot_answer_is_refused_before_it_is_loaded(
    model, request_, words
):
    with pytest.raises(ValueError, match=words):
        resolve(model, request_)


def test_prompts_that_cannot_be_read_are_refused_with_a_sentence(diffusion):
    with pytest.raises(ValueError, match=r"vocab\.json"):
        diffusion.answer(photo(), dataclasses.replace(SINGLE, prompt="a cat"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PatchRequest(grid=0), "grid must be a side or a pair"),
        (lambda: PatchRequest(facet="class_token"), "facet must be 'token'"),
        (lambda: AttentionRequest(source="twice"), "source must be"),
        (lambda: AttentionRequest(num_steps=0), "num_steps must be an integer of at"),
        (lambda: AttentionRequest(timestep=-1), "timestep must be an integer"),
        (lambda: AttentionRequest(seed=-1), "seed must be an integer from 0"),
        (lambda: AttentionRequest(num_steps=60), "num_steps must be at most"),
        (lambda: ClassTokenRequest(block=2000), "block must be an integer"),
    ],
)
def test_fields_out_of_range_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
