"""The text encoder: what a token sees, and transformers' states stage by stage.

The tolerance comes from depth, as in test_parity: a dozen float32 roundings of the
stage's largest value for each block, which add up like a random walk.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.backbones.text.encoder import TextEncoder
from uhseg_jax.backbones.text.spec import TextEncoderSpec

SD1 = TextEncoderSpec(
    vocabulary=99, width=24, depth=3, heads=3, length=11, start=97, end=98, padding=98
)
SPECS = {
    "sd1": SD1,
    "sd2": dataclasses.replace(SD1, mlp="gelu", padding=0),
    "sdxl_first": dataclasses.replace(SD1, skipped=1),
    "sdxl_second": dataclasses.replace(
        SD1, mlp="gelu", padding=0, skipped=1, projection=20
    ),
}
ULPS = 12


@functools.cache
def abstract_params(spec: TextEncoderSpec):
    ids = jax.ShapeDtypeStruct((1, spec.length), jnp.int32)
    return jax.eval_shape(TextEncoder(spec).init, jax.random.key(0), ids)["params"]


def num_parameters(spec: TextEncoderSpec) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(abstract_params(spec)))


@functools.cache
def encoder(spec: TextEncoderSpec):
    return jax.jit(TextEncoder(spec).apply)


def random_params(spec: TextEncoderSpec):
    leaves, tree = jax.tree.flatten(abstract_params(spec))
    rng = np.random.default_rng(0)
    values = [rng.normal(0, 0.3, leaf.shape).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(tree, values)


def prompts(spec: TextEncoderSpec) -> np.ndarray:
    """The empty prompt, a short one and one that fills all places."""
    ids = np.full((3, spec.length), spec.padding, np.int32)
    ids[:, 0] = spec.start
    ids[0, 1] = spec.end
    ids[1, 1:5] = [5, 17, 3, spec.end]
    ids[2, 1:] = [*range(20, 18 + spec.length), spec.end]
    return ids


def test_a_token_sees_only_those_before_it():
    params, ids = random_params(SD1), prompts(SD1)
    changed = ids.copy()
    changed[:, 6] = 42
    before, after = (encoder(SD1)({"params": params}, x).tokens for x in (ids, changed))
    np.testing.assert_array_equal(before[:, :6], after[:, :6])
    assert (np.abs(before - after)[:, 6:].max(axis=-1) > 1e-3).all()


def test_the_pooled_token_is_the_first_end():
    params, ids = random_params(SD1), prompts(SD1)
    found = encoder(SD1)({"params": params}, ids)
    expected = found.tokens[np.arange(3), [1, 4, SD1.length - 1]]
    np.testing.assert_array_equal(found.pooled, expected)


def test_tokens_of_sixteen_bit_products_are_float32():
    ids = jax.ShapeDtypeStruct((1, SD1.length), jnp.int32)
    spec = SPECS["sdxl_second"]
    module = TextEncoder(spec, jnp.bfloat16)
    out = jax.eval_shape(module.apply, {"params": abstract_params(spec)}, ids)
    assert out.tokens.dtype == out.pooled.dtype == jnp.float32
    assert out.pooled.shape == (1, 20)


def test_a_prompt_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"prompts of 11 tokens.* these have 12"):
        jax.eval_shape(
            TextEncoder(SD1).init, jax.random.key(0), jnp.zeros((1, 12), jnp.int32)
        )


FULL_SIZES = {
    "sd1": (TextEncoderSpec(), 123_060_480),
    "sd2": (TextEncoderSpec(width=1024, depth=23, heads=16, mlp="gelu"), 340_387_840),
    "sdxl_second": (
        TextEncoderSpec(width=1280, depth=32, heads=20, mlp="gelu", projection=1280),
        694_659_840,
    ),
}


@pytest.mark.parametrize("name", FULL_SIZES)
def test_full_size_encoders_have_their_published_parameters(name):
    spec, expected = FULL_SIZES[name]
    assert num_parameters(spec) == expected


@pytest.mark.parity
@pytest.mark.parametrize("name", FULL_SIZES)
def test_full_size_parameters_are_transformers(name):
    from torch_diffusion import text_encoder, torch

    spec, _ = FULL_SIZES[name]
    with torch.device("meta"):
        model = text_encoder(spec)
    assert num_parameters(spec) == sum(x.numel() for x in model.parameters())


@pytest.mark.parity
@pytest.mark.parametrize("name", SPECS)
def test_tokens_and_pooled_are_transformers(name, record_property):
    from torch_diffusion import (
        assert_parity,
        converted,
        randomised,
        text_encoder,
        torch,
    )

    spec, ids = SPECS[name], prompts(SPECS[name])
    model = randomised(text_encoder(spec))
    with torch.no_grad():
        expected = model(input_ids=torch.tensor(ids).long(), output_hidden_states=True)
    # A projection makes the text model one part of two; alone its names have no prefix
    # since transformers 5.
    part = "text_model." if spec.projection is None else ""
    params = converted(model, abstract_params(spec), prefix=f"text_encoder.{part}")
    found = encoder(spec)({"params": params}, ids)
    # What the pipelines of diffusers take.
    tokens = expected.hidden_states[-2] if spec.skipped else expected.last_hidden_state
    pooled = expected.pooler_output if spec.projection is None else expected.text_embeds
    report: dict[str, float] = {}
    assert_parity(
        found.tokens,
        tokens.numpy(),
        blocks=spec.depth - spec.skipped,
        ulps=ULPS,
        report=report,
    )
    assert_parity(
        found.pooled, pooled.numpy(), blocks=spec.depth + 1, ulps=ULPS, report=report
    )
    record_property("ulps", report)
