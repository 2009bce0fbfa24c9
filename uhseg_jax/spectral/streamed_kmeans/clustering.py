"""k-means of rows that need not fit into memory, on many devices and hosts.

`fit` clusters a stream, `assign` finds the nearest centroids of points, `reservoir`
draws a uniform sample of a stream.

``batches`` is a callable that starts a pass: it returns an iterable of numpy or JAX
arrays ``[n_i, d]`` of any n_i, the same rows in the same order each time.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.streamed_kmeans import device_pass, passes
from uhseg_jax.spectral.streamed_kmeans.device_pass import Rows
from uhseg_jax.spectral.streamed_kmeans.hosts import Hosts, Reduce, alone
from uhseg_jax.spectral.streamed_kmeans.seeding import seeds
from uhseg_jax.spectral.streamed_kmeans.state import (
    Config,
    PathLike,
    State,
    describe,
    load,
    save,
)
from uhseg_jax.spectral.streamed_kmeans.stream import TILE, Pass, reservoir
from uhseg_jax.types import Array, Float, Int

__all__ = ["Config", "Model", "assign", "fit", "reservoir"]


@pytree_dataclass
class Model:
    """A clustering.

    Attributes:
      centroids: float32 ``[k, d]``, the means of the groups of the last pass (of unit
        length if cosine; in mini-batches, of all rows a cluster was ever given).
      counts: int64 ``[k]`` in numpy, rows of every cluster in the last pass. Clusters
        of no rows are there when fewer distinct rows than k are.
      inertia: summed squared distance to the centroids with which the last pass began
        (in mini-batches, as they were at each batch).
      passes: over the data, seeding aside.
      converged: the inertia had stopped falling before ``max_passes``.
    """

    centroids: Float[Array, "k d"]
    counts: Int[np.ndarray, " k"]
    inertia: float
    passes: int
    converged: bool


def fit(
    batches: Pass,
    config: Config,
    *,
    mesh: Mesh | None = None,
    state_file: PathLike | None = None,
    reduce: Reduce = alone,
    on_pass: Callable[[Model], None] | None = None,
    start: Float[np.ndarray | Array, "k d"] | None = None,
) -> Model:
    """Clusters the rows of a stream; of fewer distinct ones than k, some get none.

    Memory holds a few batches, and while seeding the sample, whatever the number of
    rows; time is linear in it. Lloyd's result is the same to the last bit whatever the
    pieces, ``batch_rows`` and the devices; that of mini-batches depends on
    ``batch_rows``, and on the order of the rows, which should be a mixed one.

    Args:
      batches: starts a pass over this process's rows: arrays ``[n_i, d]``, integers or
        floats of any kind, computed with in float32. The same rows each pass.
      config: of the clustering.
      mesh: this process's devices, along one axis ``"data"``, each of which takes its
        share of a batch; None for the default device.
      state_file: where the state is kept after every pass. A fit that finds it goes on
        from there, and ends as if it had never been stopped.
      reduce: adds a pytree of numpy arrays (float32, float64, int64) over all
        processes of `jax.distributed`, exactly in their dtypes, and returns the same
        sum to each; called at the same points in all of them.
      on_pass: called after every pass with the model so far.
      start: centroids to begin with, in place of seeding.

    Returns:
      The clustering, the same in every process.

    Raises:
      ValueError: fewer rows than k to seed from, or none at all; a batch is no
        ``[n, d]`` or not finite (its number is named); the passes differ; the state is
        of another configuration; the mesh has other axes.
      RuntimeError: another process failed.
    """
    rows = Rows(
        batches,
        batch_rows=config.batch_rows,
        exact=config.mode == "mini_batch",
        cosine=config.cosine,
        mesh=mesh,
    )
    hosts = Hosts(reduce)
    begun = None if start is None else _checked_start(start, config)
    description = describe(config, begun, processes=hosts.count)
    state = _resumed(state_file, description, hosts)
    if state is None:
        state = State.begin(seeds(rows, config, hosts) if begun is None else begun)
        _keep(state_file, state, description)
    while not state.converged and state.passes < config.max_passes:
        state = passes.improve(state, rows, config, hosts)
        _keep(state_file, state, description)
        if on_pass is not None:
            on_pass(_model(state))
    return _model(state)


@jax.jit(static_argnames="cosine")
def assign(
    points: Float[Array | np.ndarray, "n d"],
    centroids: Float[Array | np.ndarray, "k d"],
    *,
    cosine: bool = True,
) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    """Nearest centroid of every point; compiled once for every n, also under jit.

    Args:
      points: float32 or another float; brought to unit length if cosine.
      centroids: of `fit`; of unit length if cosine.
      cosine: as in the `Config`.

    Returns:
      int32 labels (of equally near centroids the first) and squared distances; with
      cosine, 2 - 2 cos. A zero row has label 0 and distance 1 then.
    """
    n, d = points.shape
    size = max(min(TILE, n), 1)
    num_tiles = -(-n // size)
    points = jnp.pad(
        jnp.asarray(points, jnp.float32), ((0, num_tiles * size - n), (0, 0))
    )
    centroids = jnp.asarray(centroids, jnp.float32)

    def tile_fn(rows: Float[Array, "rows d"]) -> tuple[Array, Array]:
        rows = numerics.normalize_rows(rows) if cosine else rows
        return device_pass.nearest(rows, centroids, cosine=cosine)

    labels, distances = jax.lax.map(tile_fn, points.reshape(num_tiles, size, d))
    return labels.reshape(-1)[:n], distances.reshape(-1)[:n]


def _checked_start(
    start: Float[np.ndarray | Array, "k d"], config: Config
) -> Float[np.ndarray, "k d"]:
    begun = np.asarray(start, np.float32)
    if begun.ndim != 2 or len(begun) != config.k or not np.isfinite(begun).all():
        raise ValueError(
            f"Expected finite centroids of shape [{config.k}, d] to start from, but "
            f"found shape {list(begun.shape)}; give k rows, without NaN."
        )
    return passes.unit(begun) if config.cosine else begun


def _resumed(path: PathLike | None, description: str, hosts: Hosts) -> State | None:
    """The state of the process that came farthest, for all of them."""
    state = hosts.together(lambda: None if path is None else load(path, description))
    if hosts.count == 1:
        return state
    done = hosts.gather(np.asarray(-1 if state is None else state.passes, np.int64))
    if done.max() < 0:
        return None
    shape = np.zeros(2, np.int64) if state is None else state.centroids.shape
    k, d = hosts.gather(np.asarray(shape, np.int64)).max(axis=0)
    leads = hosts.index == int(np.argmax(done))
    blank = vars(State.begin(np.zeros((k, d), np.float32)))
    tree = {
        name: np.asarray(getattr(state, name) if leads else np.zeros_like(empty))
        for name, empty in blank.items()
    }
    tree["converged"] = tree["converged"].astype(np.int64)
    tree = hosts.add(tree)
    return State(**{**tree, "converged": np.asarray(tree["converged"] > 0)})


def _keep(path: PathLike | None, state: State, description: str) -> None:
    if path is not None:
        save(path, state, description)


def _model(state: State) -> Model:
    return Model(
        centroids=jnp.asarray(state.centroids),
        counts=state.counts,
        inertia=float(state.inertia),
        passes=int(state.passes),
        converged=bool(state.converged),
    )
