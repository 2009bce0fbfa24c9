"""The self-attention maps of a U-Net, kept by layer or summed by resolution.

At 64 x 64 cells one map is 4,096 x 4,096: 67 MB, and Stable Diffusion 1 has eight heads
in each of five layers there. Heads are gone through one after the other, so all that is
ever held of them is their mean, and a layer's mean may be added to those before it
where it lies.
"""

from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

from uhseg_jax.backbones.diffusion.spec import UNetSpec
from uhseg_jax.backbones.vit.attention import AttentionRule, attend
from uhseg_jax.types import Array, Float, Int

RecordingRule = Literal["nothing", "layers", "sums"]
RECORDING_RULES: tuple[str, ...] = get_args(RecordingRule)

# Rows of a map made at a time; see `attention._CHUNK`.
_CHUNK = 256


class AttentionSum(NamedTuple):
    """Maps of one resolution, added up.

    Attributes:
      total: their sum; every row sums to ``num_maps``. float32.
      num_maps: how many they are.
    """

    total: Float[Array, "b n n"]
    num_maps: Int[Array, ""]


class AttentionRecord(NamedTuple):
    """What self-attention layers took from where: the mean of their heads.

    Records are trees of arrays: those of several forwards may be added leaf by leaf.

    Attributes:
      layers: for every layer, by its path in the parameter tree, its map [b, n, n] of
        the n = h w cells, row by row; every row is a distribution over the cells that
        the cell of the row takes from. Filled by ``"layers"``.
      sums: for every resolution (h, w), the sum over its layers. Filled by ``"sums"``.
    """

    layers: dict[str, Float[Array, "b n n"]]
    sums: dict[tuple[int, int], AttentionSum]


def attention_layers(
    spec: UNetSpec, grid: tuple[int, int]
) -> dict[str, tuple[int, int]]:
    """The self-attention layers of a U-Net in the order in which they are run.

    Args:
      spec: the U-Net.
      grid: rows and columns of the latent.

    Returns:
      For every path in the parameter tree, such as
      ``"down_blocks_0/attentions_1/transformer_blocks_0"``, the rows and columns of the
      cells there.
    """
    last = len(spec.channels) - 1
    levels = [
        *(
            (f"down_blocks_{level}", level, depths)
            for level, depths in enumerate(spec.down_depths)
        ),
        ("mid_block", last, (spec.middle_depth or 0,)),
        *(
            (f"up_blocks_{index}", last - index, depths)
            for index, depths in enumerate(spec.up_depths)
        ),
    ]
    return {
        f"{name}/attentions_{index}/transformer_blocks_{block}": (
            grid[0] >> level,
            grid[1] >> level,
        )
        for name, level, depths in levels
        for index, depth in enumerate(depths)
        for block in range(depth)
    }


def empty_record() -> AttentionRecord:
    """A record of nothing."""
    return AttentionRecord({}, {})


def empty_sums(spec: UNetSpec, batch: int, grid: tuple[int, int]) -> AttentionRecord:
    """Sums of no maps: what a loop over forwards begins with.

    Args:
      spec: the U-Net.
      batch: number of latents.
      grid: rows and columns of a latent.

    Returns:
      The record that a forward with ``"sums"`` adds to, with zeros.
    """
    sums = {}
    for cells in sorted(set(attention_layers(spec, grid).values())):
        n = cells[0] * cells[1]
        sums[cells] = AttentionSum(
            jnp.zeros((batch, n, n), jnp.float32), jnp.zeros((), jnp.int32)
        )
    return AttentionRecord({}, sums)


def attend_recorded(
    query: Float[Array, "b n d"],
    key: Float[Array, "b n d"],
    value: Float[Array, "b n d"],
    record: AttentionRecord,
    *,
    path: str,
    grid: tuple[int, int],
    recording: RecordingRule,
    heads: int,
    rule: AttentionRule,
    precision: jax.lax.Precision,
) -> tuple[Float[Array, "b n d"], AttentionRecord]:
    """Self-attention that leaves its map in a record.

    Args:
      query: queries, the heads side by side in the channels.
      key: keys, likewise.
      value: values, likewise.
      record: of the layers before.
      path: of the layer in the parameter tree.
      grid: rows and columns of the cells.
      recording: what of the map is recorded. With ``"nothing"`` it is never made.
      heads: number of heads.
      rule: how attention is evaluated where nothing is recorded (`attention.attend`).
        What is recorded is made head by head; in slabs of rows if ``"chunked"``.
      precision: of the matrix products.

    Returns:
      Mixed values, in the dtype of ``value``, and the record with this layer.

    Raises:
      ValueError: the recording is unknown.
    """
    if recording == "nothing":
        mixed = attend(query, key, value, heads=heads, rule=rule, precision=precision)
        return mixed, record
    if recording not in RECORDING_RULES:
        raise ValueError(
            f"Unknown recording {recording!r}; expected one of "
            f"{', '.join(RECORDING_RULES)}."
        )
    batch, n, _ = query.shape
    before = AttentionSum(
        jnp.zeros((batch, n, n), jnp.float32), jnp.zeros((), jnp.int32)
    )
    if recording == "sums":
        before = record.sums.get(grid, before)
    mixed, total = attend_and_add(
        query,
        key,
        value,
        before.total,
        heads=heads,
        rows=_rows(n) if rule == "chunked" else n,
        precision=precision,
    )
    if recording == "layers":
        return mixed, record._replace(layers={**record.layers, path: total})
    added = AttentionSum(total, before.num_maps + 1)
    return mixed, record._replace(sums={**record.sums, grid: added})


def attend_and_add(
    query: Float[Array, "b n d"],
    key: Float[Array, "b n d"],
    value: Float[Array, "b n d"],
    total: Float[Array, "b n n"],
    *,
    heads: int,
    rows: int,
    precision: jax.lax.Precision,
) -> tuple[Float[Array, "b n d"], Float[Array, "b n n"]]:
    """Multi-head self-attention whose map is added to others.

    Args:
      query: queries, the heads side by side in the channels.
      key: keys, likewise.
      value: values, likewise.
      total: what the map is added to.
      heads: number of heads.
      rows: of the map that are made at a time; they divide n.
      precision: of the matrix products.

    Returns:
      Mixed values, in the dtype of ``value``, and ``total`` with the mean of the heads'
      softmax maps added, in float32.
    """
    batch, n, width = query.shape
    slabs = n // rows
    scale = (width // heads) ** -0.5

    def by_head(tokens: Array) -> Array:
        return tokens.reshape(batch, n, heads, -1).transpose(0, 2, 1, 3)

    keys, values = by_head(key), by_head(value)
    # One after the other: the slabs of all images.
    queries = by_head(query * scale).reshape(batch, heads, slabs, rows, -1)
    queries = queries.transpose(0, 2, 1, 3, 4).reshape(batch * slabs, heads, rows, -1)

    def one_slab(maps: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        index, slab = step
        image = index // slabs

        def one_head(
            mean: Array, tensors: tuple[Array, Array, Array]
        ) -> tuple[Array, Array]:
            queries, keys, values = tensors
            logits = jnp.einsum(
                "qc,kc->qk",
                queries,
                keys,
                precision=precision,
                preferred_element_type=jnp.float32,
            )
            weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
            inverse = 1.0 / jnp.sum(weights, axis=-1, keepdims=True)
            mixed = jnp.einsum(
                "qk,kc->qc",
                weights.astype(values.dtype),
                values,
                precision=precision,
                preferred_element_type=jnp.float32,
            )
            return mean + weights * (inverse / heads), mixed * inverse

        mean, mixed = jax.lax.scan(
            one_head, jnp.zeros((rows, n)), (slab, keys[image], values[image])
        )
        return maps.at[index].add(mean), mixed

    maps, mixed = jax.lax.scan(
        one_slab,
        total.reshape(batch * slabs, rows, n),
        (jnp.arange(batch * slabs), queries),
    )
    mixed = mixed.reshape(batch, slabs, heads, rows, -1).transpose(0, 1, 3, 2, 4)
    mixed = mixed.reshape(batch, n, width).astype(value.dtype)
    return mixed, maps.reshape(batch, n, n)


def _rows(n: int) -> int:
    """The most rows of a slab that tile n without a rest."""
    return max(rows for rows in range(1, min(n, _CHUNK) + 1) if n % rows == 0)
