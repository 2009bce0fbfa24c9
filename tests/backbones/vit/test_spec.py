import dataclasses

import pytest

from uhseg_jax.backbones import VARIANTS, ViTSpec


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"patch": 0}, "patch must be an integer of at least 1, but is 0"),
        ({"registers": -1}, "registers must be an integer of at least 0, but is -1"),
        ({"heads": 5}, "5 heads do not share width 384"),
        ({"mlp": "relu"}, "mlp must be 'gelu', 'quick_gelu' or 'swiglu', but is 're"),
        ({"positions": "sine"}, "positions must be 'offset', 'size', .* but is 'sine"),
        ({"norm_epsilon": 0.0}, "norm_epsilon must be a finite number above 0"),
        ({"std": (0.1, 0.0, 0.1)}, "std must be three finite numbers above 0"),
        (
            {"positions": "rotary", "width": 60},
            "Rotary positions need heads of a multiple of 4 channels, found 10",
        ),
    ],
)
def test_specs_that_are_no_model_are_refused(fields, sentence):
    spec = ViTSpec()
    for name, value in fields.items():
        # Past the constructor, where the type checker of the tests speaks first.
        object.__setattr__(spec, name, value)
    with pytest.raises(ValueError, match=sentence):
        spec.__post_init__()


def test_checks_are_made_by_the_constructor():
    with pytest.raises(ValueError, match="5 heads do not share width 384"):
        ViTSpec(heads=5)


def test_hidden_channels_are_the_published_ones():
    hidden = {
        name: VARIANTS[name].spec.mlp_hidden
        for name in ("dinov2_vits14", "dinov2_vitg14", "dinov3_vits16plus")
    }
    assert hidden == {
        "dinov2_vits14": 1536,
        "dinov2_vitg14": 4096,
        "dinov3_vits16plus": 1536,
    }


@pytest.mark.parametrize("width", [24, 40, 60])
def test_swiglu_hidden_is_two_thirds_rounded_up_to_eights(width):
    spec = ViTSpec(width=width, heads=2, mlp="swiglu", mlp_ratio=4)
    assert spec.mlp_hidden % 8 == 0
    assert 0 <= spec.mlp_hidden - 8 * width // 3 < 8
    plain = dataclasses.replace(spec, mlp="gelu")
    assert plain.mlp_hidden == 4 * width


def test_prefix_tokens_are_the_class_token_and_the_registers():
    assert ViTSpec().num_prefix_tokens == 1
    assert ViTSpec(registers=4).num_prefix_tokens == 5
