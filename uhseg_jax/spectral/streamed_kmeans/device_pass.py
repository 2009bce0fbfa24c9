"""One pass over streamed rows: their nearest centroids, and the sums of every group.

Work is done tile by tile in one static shape, on every device its share of the tiles.
Sums within a tile are float32 and come to the host, which adds them in float64 in the
order of the tiles: the totals are the same to the last bit whatever the size of the
batches and the number of devices.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.streamed_kmeans.stream import TILE, Batch, Pass, deal
from uhseg_jax.types import Array, Float, Int

__all__ = ["Groups", "Rows", "nearest"]


@dataclasses.dataclass
class Groups:
    """What a batch or a pass adds up, all over the rows that were seen.

    Attributes:
      sums: float64 ``[k, d]``, of the rows of every group (unit rows if cosine).
      sizes: int64 ``[k]``.
      inertia: float64, summed squared distance to the nearest centroid.
    """

    sums: np.ndarray
    sizes: np.ndarray
    inertia: np.ndarray

    @classmethod
    def empty(cls, k: int, d: int) -> "Groups":
        """No rows."""
        return cls(np.zeros((k, d)), np.zeros(k, np.int64), np.zeros(()))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One batch with its nearest centroids.

    Attributes:
      batch: the rows.
      tile_sums: float32 ``[t, k, d]``; ``[t, k, 0]`` if they were not asked for.
      tile_sizes: int32 ``[t, k]``.
      distances: float32 ``[n]``, squared.
    """

    batch: Batch
    tile_sums: np.ndarray
    tile_sizes: np.ndarray
    distances: np.ndarray

    def add_to(self, groups: Groups) -> None:
        """Adds the batch, tile after tile."""
        for i in range(len(self.batch.sizes)):
            if self.batch.sizes[i] == 0:
                break
            tile = self.distances[i * TILE : (i + 1) * TILE]
            groups.inertia = groups.inertia + np.sum(tile, dtype=np.float64)
            groups.sizes += self.tile_sizes[i]
            if self.tile_sums.shape[-1]:
                groups.sums += self.tile_sums[i]


class Rows:
    """A data set that is passed over in batches, on the devices of a mesh.

    Args:
      batches: starts a pass; see `stream`.
      batch_rows: rows held at a time.
      exact: batches of just so many rows; if not, of as many as fill their tiles.
      cosine: rows are brought to unit length first; zero rows stay zero.
      mesh: this process's devices, along one axis ``"data"``; None: the default one.
    """

    def __init__(
        self,
        batches: Pass,
        *,
        batch_rows: int,
        exact: bool,
        cosine: bool,
        mesh: Mesh | None,
    ):
        if mesh is not None and mesh.axis_names != ("data",):
            raise ValueError(
                f"Expected a mesh of one axis 'data', but found the axes "
                f"{mesh.axis_names}; build it as Mesh(devices, ('data',))."
            )
        if mesh is not None and mesh.devices.size != len(mesh.local_devices):
            raise ValueError(
                "Expected a mesh of this process's devices, but found those of other "
                "processes in it; build it from jax.local_devices()."
            )
        devices = 1 if mesh is None else mesh.devices.size
        self.batches, self.cosine, self._mesh = batches, cosine, mesh
        self._num_tiles = -(-batch_rows // (TILE * devices)) * devices
        self._batch_rows = batch_rows if exact else self._num_tiles * TILE

    def walk(
        self,
        centroids: Callable[[], Float[np.ndarray, "k d"]],
        *,
        sums: bool = True,
        ahead: bool = True,
    ) -> Iterator[Outcome]:
        """One pass.

        Args:
          centroids: asked before every batch for those to use, float32.
          sums: add up the rows of the groups.
          ahead: work on a batch while the next is read; then ``centroids`` is asked
            one batch early.

        Yields:
          The batches in their order, each to be used before the next is asked for.
        """
        waiting: tuple[Batch, tuple[Array, ...]] | None = None
        for batch in deal(self.batches, self._batch_rows, num_tiles=self._num_tiles):
            begun = (batch, self._begin(batch, centroids(), sums=sums))
            if not ahead:
                yield _finish(*begun)
                continue
            if waiting is not None:
                yield _finish(*waiting)
            waiting = begun
        if waiting is not None:
            yield _finish(*waiting)

    def _begin(
        self, batch: Batch, centroids: Float[np.ndarray, "k d"], *, sums: bool
    ) -> tuple[Array, ...]:
        if batch.tiles.shape[-1] != centroids.shape[-1]:
            raise ValueError(
                f"Expected rows of {centroids.shape[-1]} numbers as the centroids "
                f"have, but found {batch.tiles.shape[-1]}; use the same features."
            )
        arrays = (batch.tiles, batch.sizes)
        if self._mesh is not None:
            shares = NamedSharding(self._mesh, PartitionSpec("data"))
            arrays = jax.device_put(arrays, shares)
        return _grouped(
            *arrays, centroids, cosine=self.cosine, sums=sums, mesh=self._mesh
        )


def nearest(
    rows: Float[Array, "n d"], centroids: Float[Array, "k d"], *, cosine: bool
) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    """Nearest centroid of every row (of equals the first) and its squared distance.

    Of rows and centroids of unit length (``cosine``) the products alone are compared.
    The distance is that of the differences, so that it is 0 for equal rows.
    """
    products = numerics.matmul(rows, centroids.T)
    if cosine:
        scores = -products
    else:  # |x|^2 is the same for every centroid and left out
        scores = jnp.sum(centroids * centroids, axis=1)[None, :] - 2 * products
    labels = jnp.argmin(scores, axis=1).astype(jnp.int32)
    offsets = rows - centroids[labels]
    return labels, jnp.sum(offsets * offsets, axis=1)


def _finish(batch: Batch, arrays: tuple[Array, ...]) -> Outcome:
    tile_sums, tile_sizes, distances = map(np.asarray, arrays)
    count = int(batch.sizes.sum())
    return Outcome(batch, tile_sums, tile_sizes, distances.reshape(-1)[:count])


@functools.partial(jax.jit, static_argnames=("cosine", "sums", "mesh"))
def _grouped(
    tiles: Float[Array, "t rows d"],
    sizes: Int[Array, " t"],
    centroids: Float[Array, "k d"],
    *,
    cosine: bool,
    sums: bool,
    mesh: Mesh | None,
) -> tuple[Array, ...]:
    k = centroids.shape[0]

    def tile_fn(
        rows: Float[Array, "rows d"], size: Int[Array, ""], centroids: Array
    ) -> tuple[Array, ...]:
        counts = jnp.arange(rows.shape[0]) < size
        rows = numerics.normalize_rows(rows) if cosine else rows
        labels, distances = nearest(rows, centroids, cosine=cosine)
        # A product with the one-hot labels, not a scatter: sums in a fixed order.
        groups = jax.nn.one_hot(labels, k, dtype=rows.dtype, axis=0)
        groups = jnp.where(counts[None, :], groups, 0)
        group_sizes = jnp.sum(groups, axis=1).astype(jnp.int32)
        group_sums = numerics.matmul(groups, rows) if sums else groups[:, :0]
        return group_sums, group_sizes, distances

    def local_fn(tiles: Array, sizes: Array, centroids: Array) -> tuple[Array, ...]:
        def skip_fn(rows: Array, size: Array, centroids: Array) -> tuple[Array, ...]:
            shapes = jax.eval_shape(tile_fn, rows, size, centroids)
            return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        # Tiles that are all padding cost nothing.
        return jax.lax.map(
            lambda x: jax.lax.cond(x[1] > 0, tile_fn, skip_fn, *x, centroids),
            (tiles, sizes),
        )

    if mesh is None:
        return local_fn(tiles, sizes, centroids)
    shared = PartitionSpec("data")
    return jax.shard_map(
        local_fn,
        mesh=mesh,
        in_specs=(shared, shared, PartitionSpec()),
        out_specs=shared,
        check_vma=False,  # the loops start from constants that every device has
    )(tiles, sizes, centroids)
