"""Matrix products in the dtype of a model: one rule for all layers.

A product takes its operands in the dtype of the model and adds up in float32. What
goes from layer to layer is float32 on CPUs, where bfloat16 is multiplied no faster than
float32 unless the result is float32; on accelerators it has the dtype of the model, so
that half as much goes through memory.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from uhseg_jax.types import Array, Float

__all__ = ["Dense", "activation_dtype", "dense", "matmul_precision", "product"]


def matmul_precision(dtype: Any) -> jax.lax.Precision:
    """Full precision for float32, which accelerators would round to TF32."""
    if jnp.dtype(dtype) == jnp.float32:
        return jax.lax.Precision.HIGHEST
    return jax.lax.Precision.DEFAULT


def activation_dtype(dtype: Any) -> Any:
    """The dtype between the layers of a model, and that of its convolutions.

    Convolutions in bfloat16 take longer on CPUs than those in float32.
    """
    return jnp.float32 if jax.default_backend() == "cpu" else dtype


def product(
    equation: str,
    first: Array,
    second: Array,
    *,
    dtype: Any,
    result: Any = jnp.float32,
) -> Array:
    """An einsum of two operands, which are taken in the dtype of a model.

    Args:
      equation: as for `jnp.einsum`.
      first: one operand.
      second: the other.
      dtype: of the model.
      result: dtype of the result.

    Returns:
      The product.
    """
    return jnp.einsum(
        equation,
        first.astype(dtype),
        second.astype(dtype),
        precision=matmul_precision(dtype),
        preferred_element_type=result,
    )


class Dense(nn.Module):
    """A linear layer over the last axis, with float32 parameters.

    Attributes:
      features: channels of the result.
      dtype: of the operands of the product.
      use_bias: whether a vector is added.
    """

    features: int
    dtype: Any
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b d"]:
        """Maps each vector; the result is in `activation_dtype`."""
        result = activation_dtype(self.dtype)
        kernel = self.param(
            "kernel",
            nn.initializers.lecun_normal(),
            (x.shape[-1], self.features),
            jnp.float32,
        )
        y = product("...c,cd->...d", x, kernel, dtype=self.dtype, result=result)
        if self.use_bias:
            bias = self.param(
                "bias", nn.initializers.zeros, (self.features,), jnp.float32
            )
            y = y + bias.astype(result).reshape((1,) * (y.ndim - 1) + (-1,))
        return y


def dense(features: int, name: str, *, dtype: Any, bias: bool = True) -> Dense:
    """A linear layer that computes in one dtype and keeps float32 parameters."""
    return Dense(features, dtype, bias, name=name)
