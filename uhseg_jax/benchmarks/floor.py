"""What a forward costs at least: operations, bytes, and the rates of this machine."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import backbones
from uhseg_jax.backbones import ViTSpec
from uhseg_jax.benchmarks.records import Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Calls, measure

__all__ = ["Cost", "forward_cost", "measure_floor", "products"]

_GRIDS = (37, 60)  # patches along a side, of the default method and of the papers'
_COPIED = 2**28  # bytes of the copy that the rate of the memory is taken from


@dataclasses.dataclass(frozen=True)
class Cost:
    """What the forward of one image has to do.

    Attributes:
      tokens: patches and prefix tokens.
      operations: multiplications and additions of all matrix products.
      attention: those of them between tokens.
      attention_bytes: of the attention matrices of all heads and blocks in float32,
        were they written once.
      weight_bytes: of the parameters in float32.
    """

    tokens: int
    operations: int
    attention: int
    attention_bytes: int
    weight_bytes: int


def forward_cost(spec: ViTSpec, grid: int) -> Cost:
    """The cost of a forward of ``grid`` x ``grid`` patches through all blocks."""
    patches = grid * grid
    tokens = patches + spec.num_prefix_tokens
    embedding = 2 * patches * 3 * spec.patch**2 * spec.width
    projections = 8 * tokens * spec.width**2  # to queries, keys, values, and back
    layers = 3 if spec.mlp == "swiglu" else 2
    mlp = 2 * layers * tokens * spec.width * spec.mlp_hidden
    attention = 4 * tokens**2 * spec.width * spec.depth
    return Cost(
        tokens=tokens,
        operations=embedding + spec.depth * (projections + mlp) + attention,
        attention=attention,
        attention_bytes=4 * tokens**2 * spec.heads * spec.depth,
        weight_bytes=4 * backbones.num_parameters(spec),
    )


@dataclasses.dataclass(frozen=True)
class _Product:
    """A matrix product whose rate is measured."""

    dtype: Any
    rows: int
    inner: int
    columns: int

    @property
    def name(self) -> str:
        shape = f"{self.rows} x {self.inner} x {self.columns}"
        return f"product, {jnp.dtype(self.dtype).name}, {shape}"

    @property
    def operations(self) -> int:
        return 2 * self.rows * self.inner * self.columns


def products(spec: ViTSpec, grid: int, dtypes: tuple[Any, ...]) -> list[_Product]:
    """The first layer of the MLP, and the product of queries and keys."""
    tokens = grid * grid + spec.num_prefix_tokens
    shapes = (
        (tokens, spec.width, spec.mlp_hidden),
        (tokens, spec.head_width, tokens),
    )
    return [_Product(dtype, *shape) for shape in shapes for dtype in dtypes]


def measure_floor(setting: Setting) -> Record:
    """Rates of products and of the memory, and a forward's seconds at these."""
    spec = backbones.get_variant(setting.model).spec
    if not isinstance(spec, ViTSpec):
        return Record(notes=(f"{setting.model} is no Vision Transformer.",))
    found = products(spec, max(_GRIDS), (jnp.float32, jnp.bfloat16))
    calls: Calls = {x.name: _call(x) for x in found}
    source = np.ones(_COPIED // 4, np.float32)
    target = np.empty_like(source)
    calls["copy, 256 MB"] = lambda: np.copyto(target, source)
    timings = measure(calls, repeats=setting.repeats)
    rates = {x.name: x.operations / timings[x.name].median for x in found}
    best = {
        name: max(rate for x, rate in rates.items() if f", {name}," in x)
        for name in ("float32", "bfloat16")
    }
    facts: dict[str, Any] = {
        "gflop_per_s": {name: round(x / 1e9, 1) for name, x in rates.items()},
        "copied_gb_per_s": 2 * _COPIED / timings["copy, 256 MB"].median / 1e9,
    }
    for grid in _GRIDS:
        cost = forward_cost(spec, grid)
        facts[f"{setting.model}, {grid} x {grid} patches"] = {
            "tokens": cost.tokens,
            "gflop": cost.operations / 1e9,
            "of which attention": cost.attention / 1e9,
            "attention matrices, GB": cost.attention_bytes / 1e9,
            "weights, GB": cost.weight_bytes / 1e9,
            **{f"s in {x}": cost.operations / rate for x, rate in best.items()},
        }
    return Record(timings=timings, facts=facts)


@functools.partial(jax.jit, static_argnames="product")
def _multiplied(a: jax.Array, b: jax.Array, *, product: _Product) -> jax.Array:
    del product  # one program for each
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _call(product: _Product) -> Any:
    rng = np.random.default_rng(0)
    a, b = (
        jnp.asarray(rng.standard_normal(shape, np.float32), product.dtype)
        for shape in (
            (product.rows, product.inner),
            (product.inner, product.columns),
        )
    )
    return lambda: _multiplied(a, b, product=product)
