"""In which dtype a backbone computes its products.

Only the products: parameters, norms, softmax, activations, the residual stream and
features are float32 in either case.
"""

from typing import Any

import jax
import jax.numpy as jnp

from uhseg_jax.processor import instructions
from uhseg_jax.validators import check, one_of

__all__ = ["AUTO", "DTYPES", "default_dtype", "resolve_dtype"]

AUTO = "auto"
"""The dtype that `default_dtype` chooses."""

DTYPES = (AUTO, "float32", "bfloat16")
"""Names of dtypes in which backbones multiply."""

_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})  # as Linux names them


def resolve_dtype(dtype: Any, *, has_convolutions: bool = False) -> Any:
    """The dtype that a name stands for.

    Args:
      dtype: one of `DTYPES`.
      has_convolutions: see `default_dtype`.

    Returns:
      A numpy dtype; of "auto" `default_dtype`.

    Raises:
      ValueError: no such name.
    """
    name = check("dtype", dtype, one_of(*DTYPES))
    if name == AUTO:
        return jnp.dtype(default_dtype(has_convolutions=has_convolutions))
    return jnp.dtype(name)


def default_dtype(*, has_convolutions: bool = False) -> Any:
    """The dtype that "auto" stands for here.

    bfloat16 on accelerators, and on CPUs with instructions for its products
    (AVX512-BF16, AMX; docs/numbers/performance.md times the first). float32 on other
    CPUs, and on all of them for models whose time goes into convolutions, which
    bfloat16 does not make faster there.

    Args:
      has_convolutions: whether convolutions take a good part of a forward.
    """
    if jax.default_backend() != "cpu":
        return jnp.bfloat16
    return jnp.float32 if has_convolutions or not _has_products() else jnp.bfloat16


def _has_products() -> bool:
    """Whether the processor has instructions for products in bfloat16."""
    return not _INSTRUCTIONS.isdisjoint(instructions().split())
