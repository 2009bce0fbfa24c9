"""Which dtype stands behind "auto"."""

import jax.numpy as jnp
import pytest

from uhseg_jax.backbones import dtypes, load_backbone


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("fpu avx512f avx512_bf16 fsrm", jnp.bfloat16),
        ("fpu amx_tile amx_bf16", jnp.bfloat16),
        ("fpu avx2 avx512f avx512_bf16x", jnp.float32),
        ("", jnp.float32),
    ],
)
def test_auto_is_bfloat16_where_the_processor_multiplies_it(
    monkeypatch, instructions, expected
):
    monkeypatch.setattr(dtypes, "instructions", lambda: instructions)
    assert dtypes.resolve_dtype("auto") == expected
    assert dtypes.resolve_dtype("float32") == jnp.float32
    assert dtypes.resolve_dtype("bfloat16") == jnp.bfloat16


def test_auto_is_float32_for_convolutions_on_cpus(monkeypatch):
    monkeypatch.setattr(dtypes, "instructions", lambda: "avx512_bf16")
    assert dtypes.resolve_dtype("auto") == jnp.bfloat16
    assert dtypes.resolve_dtype("auto", has_convolutions=True) == jnp.float32
    assert load_backbone("dinov2_test").module.dtype == jnp.bfloat16
    assert load_backbone("sd_test").module.dtype == jnp.float32


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="float32"):
        dtypes.resolve_dtype("float16")
