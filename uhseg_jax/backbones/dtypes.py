"""In which dtype a backbone computes its products.

Only the products: parameters, norms, softmax, activations, the residual stream and
features are float32 in either case.
"""

from typing import Any

import jax
import jax.numpy as jnp

from uhseg_jax.validators import check, one_of

__all__ = ["AUTO", "DTYPES", "default_dtype", "resolve_dtype"]

AUTO = "auto"
DTYPES = (AUTO, "float32", "bfloat16")


def resolve_dtype(dtype: Any) -> Any:
    """The dtype that a name stands for.

    Args:
      dtype: one of `DTYPES`.

    Returns:
      A numpy dtype; of "auto" `default_dtype`.

    Raises:
      ValueError: no such name.
    """
    name = check("dtype", dtype, one_of(*DTYPES))
    return jnp.dtype(default_dtype() if name == AUTO else name)


def default_dtype() -> Any:
    """The dtype of this platform: float32 on CPUs, bfloat16 elsewhere."""
    return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
