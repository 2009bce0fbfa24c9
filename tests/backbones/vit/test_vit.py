import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.backbones import (
    FACETS,
    VARIANTS,
    FeatureRequest,
    ViT,
    check_image_size,
    compute_features,
    forward_features,
    get_variant,
    load_backbone,
    resolve_request,
)
from uhseg_jax.backbones.vit.attention import (
    attend,
    attention_weights,
    class_attention,
)
from uhseg_jax.backbones.vit.features import normalise_pixels

# The package keeps four backbones in memory; making random weights takes seconds.
loaded = functools.cache(load_backbone)
EPS = float(np.finfo(np.float32).eps)
ALL = tuple(
    FeatureRequest(facet, block)
    for facet in FACETS
    for block in range(VARIANTS["dinov2_test"].spec.depth)
)
# One of every kind of position, MLP and norm.
KINDS = ("dinov2_test", "dinov2_reg_test", "dinov3_plus_test", "clip_test")


def random_images(batch: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)


def assert_close(found, expected, *, ulps: float) -> None:
    """Equal to so many roundings of the largest value."""
    scale = np.abs(np.asarray(expected)).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=ulps * EPS * scale)


@pytest.mark.parametrize("name", KINDS)
def test_every_facet_of_every_block_has_its_shape(name):
    backbone = loaded(name)
    spec = backbone.spec
    pixels = random_images(2, 3 * spec.patch, 6 * spec.patch)
    found = forward_features(backbone, pixels, requests=ALL)
    tokens = spec.num_prefix_tokens + 3 * 6
    for request, value in zip(ALL, found, strict=True):
        assert value.shape == {
            "class_token": (2, spec.width),
            "class_attention": (2, spec.heads, 3, 6),
            "attention": (2, spec.heads, tokens, tokens),
        }.get(request.facet, (2, 3, 6, spec.width))
        assert value.dtype == jnp.float32
        assert np.isfinite(value).all()


def test_class_tokens_are_those_of_the_forward_and_normed_at_the_end_alone():
    backbone = loaded("dinov2_reg_test")
    pixels = jnp.asarray(random_images(2, 42, 84))
    out = backbone.module.apply(
        {"params": backbone.params}, normalise_pixels(pixels, backbone.spec)
    )[1]
    requests = tuple(
        FeatureRequest("class_token", block, normed)
        for block, normed in ((-1, None), (-1, False), (0, None))
    )
    found = compute_features(
        backbone.module, backbone.params, pixels, requests=requests
    )
    expected = out.class_token, out.blocks[-1].class_token, out.blocks[0].class_token
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="last block only"):
        resolve_request(FeatureRequest("class_token", 0, True), backbone.spec)


@pytest.mark.slow
def test_jit_equals_eager():
    backbone = loaded("dinov2_reg_test")
    pixels = random_images(1, 42, 84)
    jitted = forward_features(backbone, pixels, requests=ALL)
    eager = compute_features(
        backbone.module, backbone.params, jnp.asarray(pixels), requests=ALL
    )
    for one, other in zip(jitted, eager, strict=True):
        assert_close(one, other, ulps=64)


@pytest.mark.parametrize("name", ["dinov2_reg_test", "dinov3_plus_test"])
def test_batch_equals_single(name):
    backbone = loaded(name)
    pixels = random_images(2, 3 * backbone.spec.patch, 6 * backbone.spec.patch)
    together = forward_features(backbone, pixels, requests=ALL)
    for index in range(2):
        alone = forward_features(backbone, pixels[index : index + 1], requests=ALL)
        for one, other in zip(alone, together, strict=True):
            assert_close(one[0], other[index], ulps=64)


@pytest.mark.parametrize("name", ["dinov2_reg_test", "dinov3_plus_test"])
def test_bfloat16_runs_and_keeps_parameters_and_results_float32(name):
    exact = loaded(name, dtype="float32")
    rough = loaded(name, dtype="bfloat16")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(rough.params)} == {"float32"}
    pixels = random_images(2, 3 * exact.spec.patch, 6 * exact.spec.patch)
    for one, other in zip(
        forward_features(rough, pixels, requests=ALL),
        forward_features(exact, pixels, requests=ALL),
        strict=True,
    ):
        assert one.dtype == jnp.float32
        # bfloat16 keeps 8 bits; three blocks of it.
        assert_close(one, other, ulps=3 * 2.0**16)


@pytest.mark.parametrize("name", KINDS)
def test_bfloat16_is_for_products_and_float32_for_norms_softmax_and_rotations(name):
    spec = VARIANTS[name].spec
    module = ViT(spec, dtype=jnp.bfloat16, attention="chunked")
    images = jnp.zeros((1, 2 * spec.patch, 2 * spec.patch, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)
    jaxpr = jax.make_jaxpr(module.apply)(variables, images)
    dtypes: dict[str, set[str]] = {}

    def visit(jaxpr):
        for equation in jaxpr.eqns:
            dtypes.setdefault(equation.primitive.name, set()).update(
                variable.aval.dtype.name for variable in equation.invars
            )
            for parameter in jax.tree.leaves(equation.params):
                inner = getattr(parameter, "jaxpr", parameter)
                if hasattr(inner, "eqns"):
                    visit(inner)

    visit(jaxpr.jaxpr)
    for name in ("exp", "rsqrt", "sub", "reduce_sum", "reduce_max"):
        assert "bfloat16" not in dtypes.get(name, set()), name
    assert "bfloat16" in dtypes["dot_general"]


def test_attention_rules_agree_and_match_the_definition():
    rng = np.random.default_rng(0)
    b, n, heads, c = 2, 300, 3, 8
    query, key, value = rng.normal(size=(3, b, n, heads * c))
    split = [x.reshape(b, n, heads, c) for x in (query, key, value)]
    logits = np.einsum("bqhc,bkhc->bhqk", split[0], split[1]) / np.sqrt(c)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    expected = np.einsum("bhqk,bkhc->bqhc", weights, split[2]).reshape(b, n, -1)
    query, key, value = (jnp.asarray(x, jnp.float32) for x in (query, key, value))
    for rule in ("chunked", "whole", "fused"):
        found = attend(query, key, value, heads=heads, rule=rule, dtype=jnp.float32)
        assert_close(found, expected, ulps=32)
    found = class_attention(query, key, heads=heads, dtype=jnp.float32)
    assert_close(found, weights[:, :, 0], ulps=32)
    found = attention_weights(query, key, heads=heads, dtype=jnp.float32)
    assert_close(found, weights, ulps=32)


@pytest.mark.parametrize("rule", ["chunked", "whole", "fused"])
def test_attention_survives_huge_logits(rule):
    query = jnp.full((1, 5, 4), 1e4, jnp.float32)
    value = jnp.arange(20, dtype=jnp.float32).reshape(1, 5, 4)
    found = attend(query, query, value, heads=2, rule=rule, dtype=jnp.float32)
    mean = np.broadcast_to(value.mean(1, keepdims=True), value.shape)
    assert_close(found, mean, ulps=8)


def test_final_norm_is_on_tokens_of_the_last_block_unless_asked():
    backbone = loaded("dinov2_test")
    pixels = random_images(1, 28, 28)
    requests = (
        FeatureRequest(),
        FeatureRequest(normed=True),
        FeatureRequest(normed=False),
        FeatureRequest(block=0),
        FeatureRequest(block=0, normed=True),
    )
    last, normed, raw, inner, inner_normed = forward_features(
        backbone, pixels, requests=requests
    )
    np.testing.assert_array_equal(last, normed)
    for one, other in ((normed, raw), (inner_normed, inner)):
        one, other = np.asarray(one), np.asarray(other, np.float64)
        centred = other - other.mean(-1, keepdims=True)
        expected = centred / np.sqrt(other.var(-1, keepdims=True) + 1e-6)
        assert_close(one, expected, ulps=32)


def test_class_attention_is_what_the_patches_get():
    plain, registers = (
        forward_features(
            loaded(name),
            random_images(1, 28, 28),
            requests=(FeatureRequest("class_attention"),),
        )[0]
        for name in ("dinov2_test", "dinov2_reg_test")
    )
    for attention in (plain, registers):
        assert (attention > 0).all()
        assert (attention.sum((2, 3)) < 1).all()


def test_attention_is_the_walk_that_the_block_takes():
    backbone = loaded("dinov3_test", dtype="float32")
    spec = backbone.spec
    pixels = jnp.asarray(random_images(1, 2 * spec.patch, 3 * spec.patch))
    requests = (FeatureRequest("attention", 0), FeatureRequest("class_attention", 0))
    attention, to_patches = forward_features(backbone, pixels, requests=requests)
    np.testing.assert_allclose(attention.sum(-1), 1.0, rtol=0, atol=8 * EPS)
    assert_close(
        attention[:, :, 0, spec.num_prefix_tokens :].reshape(to_patches.shape),
        to_patches,
        ulps=8,
    )
    # By hand from the projections: values mixed by the walk are what the block adds.
    _, out = jax.jit(backbone.module.apply)(
        {"params": backbone.params}, normalise_pixels(pixels, spec)
    )
    block = jax.device_get(backbone.params["block00"])
    x = np.asarray(out.embeddings, np.float64)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, keepdims=True) + spec.norm_epsilon
    )
    x = x * block["norm1"]["scale"] + block["norm1"]["bias"]
    layers = block["attention"]
    value = x @ layers["value"]["kernel"] + layers["value"]["bias"]
    value = value.reshape(1, -1, spec.heads, spec.head_width)
    mixed = np.einsum("bhqk,bkhc->bqhc", attention, value).reshape(x.shape)
    added = mixed @ layers["output"]["kernel"] + layers["output"]["bias"]
    after = np.asarray(out.embeddings) + added * block["scale1"]["gamma"]
    normed = (after - after.mean(-1, keepdims=True)) / np.sqrt(
        after.var(-1, keepdims=True) + spec.norm_epsilon
    )
    normed = normed * block["norm2"]["scale"] + block["norm2"]["bias"]
    fc1, fc2 = (block["mlp"][name] for name in ("fc1", "fc2"))
    hidden = normed @ fc1["kernel"] + fc1["bias"]
    hidden = hidden * scipy.special.ndtr(hidden)
    after = after + (hidden @ fc2["kernel"] + fc2["bias"]) * block["scale2"]["gamma"]
    found = after[:, spec.num_prefix_tokens :].reshape(out.blocks[0].token.shape)
    assert_close(out.blocks[0].token, found, ulps=64)


def test_queries_and_keys_are_rotated_in_attention_but_not_as_features():
    backbone = loaded("dinov3_test", dtype="float32")
    pixels = random_images(1, 32, 48)
    # One colour: without positions every patch is the same.
    pixels[:] = 90
    requests = (FeatureRequest("key", 0), FeatureRequest("attention", 0))
    key, attention = forward_features(backbone, pixels, requests=requests)
    key = np.asarray(key).reshape(6, -1)
    assert_close(key, np.broadcast_to(key[:1], key.shape), ulps=16)
    walk = np.asarray(attention)[
        0, :, backbone.spec.num_prefix_tokens :, backbone.spec.num_prefix_tokens :
    ]
    assert np.ptp(walk, axis=-1).max() > 1e-4


def test_pixels_are_normalised_as_torchvision_does():
    spec = VARIANTS["clip_test"].spec
    assert spec.mean != VARIANTS["dinov2_test"].spec.mean
    pixels = random_images(1, 14, 14)
    found = normalise_pixels(jnp.asarray(pixels), spec)
    expected = (pixels / 255.0 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_features_of_an_early_block_cost_only_the_blocks_before_it():
    backbone = loaded("dinov2_test", dtype="float32")

    def flops(block: int) -> float:
        def only(params, pixels):
            return compute_features(
                backbone.module,
                params,
                pixels,
                requests=(FeatureRequest("key", block),),
            )

        pixels = jnp.asarray(random_images(1, 56, 56))
        lowered = jax.jit(only).lower(backbone.params, pixels)
        return lowered.compile().cost_analysis()["flops"]

    costs = [flops(block) for block in range(3)]
    assert costs[0] < costs[1]
    np.testing.assert_allclose(costs[2] - costs[1], costs[1] - costs[0], rtol=0.01)


def test_output_is_a_tree_of_shapes_under_eval_shape():
    spec = VARIANTS["dinov2_reg_test"].spec
    images = jnp.zeros((2, 28, 42, 3), jnp.float32)
    module = ViT(spec)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)
    tokens, out = jax.eval_shape(module.apply, variables, images)
    assert tokens.shape == (2, 2, 3, spec.width)
    assert out.embeddings.shape == (2, 1 + 4 + 6, spec.width)
    assert out.registers.shape == (2, 4, spec.width)
    assert len(out.blocks) == spec.depth


@given(st.integers(1, 2000), st.integers(1, 2000))
@settings(deadline=None)
def test_named_sizes_fit(height, width):
    spec = VARIANTS["dinov2_vits14"].spec
    if height % 14 == 0 and width % 14 == 0:
        check_image_size(spec, height, width)
        return
    with pytest.raises(ValueError, match="nearest sizes that fit") as caught:
        check_image_size(spec, height, width)
    named = str(caught.value).split("fit are ")[1]
    numbers = [int(word) for word in named.replace(".", "").split() if word.isdigit()]
    assert all(number % 14 == 0 and number > 0 for number in numbers)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (FeatureRequest("keys"), "Unknown facet 'keys'; expected one of token"),
        (FeatureRequest(block=3), "block must lie between -3 and 2; found 3"),
        (FeatureRequest(block=-4), "found -4"),
        (FeatureRequest("query", normed=True), "applies to tokens only"),
    ],
)
def test_bad_requests_are_explained(request_, sentence):
    with pytest.raises(ValueError, match=sentence):
        resolve_request(request_, VARIANTS["dinov2_test"].spec)


def test_equal_requests_resolve_equal():
    spec = VARIANTS["dinov2_test"].spec
    assert resolve_request(FeatureRequest(), spec) == resolve_request(
        FeatureRequest("token", 2, True), spec
    )


def test_bad_images_are_explained():
    backbone = loaded("dinov2_test")
    with pytest.raises(ValueError, match=r"14 or 28 rows by 42 columns"):
        forward_features(backbone, random_images(1, 20, 42))


def test_unknown_model_names_the_known_ones_and_a_close_one():
    with pytest.raises(ValueError, match="Did you mean 'dinov2_vits14'") as caught:
        get_variant("dinov2_vit_s14")
    assert "dinov2_vitl14_reg" in str(caught.value)
    with pytest.raises(ValueError, match="unknown model"):
        load_backbone("resnet50")


def test_rule_of_a_variant_can_be_replaced():
    backbone = loaded("dinov2_test", dtype="float32")
    spec = dataclasses.replace(backbone.spec, positions="size")
    replaced = dataclasses.replace(backbone, module=backbone.module.clone(spec=spec))
    pixels = random_images(1, 28, 42)
    (ours,) = forward_features(backbone, pixels)
    (other,) = forward_features(replaced, pixels)
    assert np.abs(ours - other).max() > 1e-4
