"""One pass of a streamed k-means: Lloyd's step, or the steps of its mini-batches."""

import numpy as np

from uhseg_jax.spectral.streamed_kmeans.device_pass import Groups, Rows
from uhseg_jax.spectral.streamed_kmeans.hosts import Hosts
from uhseg_jax.spectral.streamed_kmeans.state import Config, State
from uhseg_jax.spectral.streamed_kmeans.stream import Lowest
from uhseg_jax.types import Float, Int

__all__ = ["improve", "unit"]


def improve(state: State, rows: Rows, config: Config, hosts: Hosts) -> State:
    """One pass.

    Several processes add their sums at its end; in mini-batches each goes its own way
    until then, and the end adds up all that their rows brought.

    Args:
      state: before.
      rows: this process's share.
      config: of the clustering.
      hosts: the processes.

    Returns:
      The state after the pass.

    Raises:
      ValueError: the rows cannot be read (`stream.deal`), or are none, or
        another number than in the pass before.
    """
    k = config.k
    far = Lowest(max(4 * k, 64) if config.empty == "farthest" else 0)
    total, gained, gained_weights = hosts.together(
        lambda: _one_share(state, rows, config, far)
    )
    added = hosts.add({**vars(total), "gained": gained, "weights": gained_weights})
    count = int(added["sizes"].sum())
    if state.rows >= 0 and count != state.rows:
        raise ValueError(
            f"Expected the same rows in every pass, but found {count} after "
            f"{int(state.rows)} in the pass before; the callable must start anew."
        )
    if count == 0:
        raise ValueError("Expected rows to cluster, but found none in the first pass.")
    if config.mode == "mini_batch":
        sums, weights = state.sums + added["gained"], state.weights + added["weights"]
    else:
        sums, weights = added["sums"], added["sizes"]
    centroids = _means(sums, weights, state.centroids, cosine=config.cosine)
    empty = np.flatnonzero(added["sizes"] == 0)
    moved = np.zeros(0, np.int64)
    if len(empty) and config.empty == "farthest":
        _, candidates = hosts.lowest(*far.values(), far.size)
        moved, places = _reseed(centroids, empty, candidates, cosine=config.cosine)
        sums, weights = sums.copy(), weights.copy()
        sums[moved], weights[moved] = places, 1
        centroids = _means(sums, weights, centroids, cosine=config.cosine)
    inertia = added["inertia"]
    gain = state.inertia - inertia  # infinite in the first pass
    still = np.array_equal(centroids, state.centroids)
    small = bool(np.isfinite(gain)) and bool(gain <= config.tolerance * state.inertia)
    return State(
        centroids=centroids,
        sums=sums,
        weights=weights,
        counts=added["sizes"],
        inertia=np.asarray(inertia),
        passes=np.asarray(state.passes + 1),
        rows=np.asarray(count),
        converged=np.asarray(not len(moved) and (still or small)),
    )


def unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows of unit length in their own precision; zero rows stay."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


class _Running:
    """The centroids of mini-batches, which move with every batch.

    Attributes:
      centroids: float32 ``[k, d]``.
      sums: float64 ``[k, d]``, of all rows that they were ever given.
      weights: int64 ``[k]``, how many those are.
    """

    def __init__(self, state: State, *, cosine: bool):
        self.centroids, self._cosine = state.centroids, cosine
        self.sums, self.weights = state.sums, state.weights

    def take(self, step: Groups) -> None:
        """Moves by 1 / n for the n-th row, all rows of the batch at once."""
        self.sums = self.sums + step.sums
        self.weights = self.weights + step.sizes
        self.centroids = _means(
            self.sums, self.weights, self.centroids, cosine=self._cosine
        )


def _one_share(
    state: State, rows: Rows, config: Config, far: Lowest
) -> tuple[Groups, np.ndarray, np.ndarray]:
    """Sums of this process's rows, and what its mini-batches gained on the state."""
    total = Groups.empty(*state.centroids.shape)
    running = _Running(state, cosine=config.cosine)
    mini = config.mode == "mini_batch"
    for outcome in rows.walk(lambda: running.centroids, ahead=not mini):
        step = Groups.empty(*state.centroids.shape) if mini else total
        outcome.add_to(step)
        if mini:
            running.take(step)
            total.sizes += step.sizes
            total.inertia = total.inertia + step.inertia
        if far.size:
            far.offer(-outcome.distances.astype(np.float64), outcome.batch.rows)
    return total, running.sums - state.sums, running.weights - state.weights


def _means(
    sums: Float[np.ndarray, "k d"],
    weights: Int[np.ndarray, " k"],
    before: Float[np.ndarray, "k d"],
    *,
    cosine: bool,
) -> Float[np.ndarray, "k d"]:
    """Means, or mean directions, in float32; without rows, or direction, as before."""
    means = sums / np.maximum(weights, 1)[:, None]
    known = weights > 0
    if cosine:
        norms = np.linalg.norm(means, axis=1)
        # Opposite unit rows cancel to float32 round-off, which is no direction.
        known &= norms > 8 * np.finfo(np.float32).eps
        means = unit(means)
    return np.where(known[:, None], means.astype(np.float32), before)


def _reseed(
    centroids: Float[np.ndarray, "k d"],
    empty: Int[np.ndarray, " e"],
    candidates: Float[np.ndarray, "c d"],
    *,
    cosine: bool,
) -> tuple[Int[np.ndarray, " r"], Float[np.ndarray, "r d"]]:
    """Gives empty clusters the candidates farthest from all other centroids.

    One after the other, so that no two get copies of one row. With fewer distinct rows
    than clusters some stay empty.

    Returns:
      The clusters that move, and whereto.
    """
    rows = candidates.astype(np.float64)
    rows = unit(rows) if cosine else rows
    others = np.delete(centroids, empty, axis=0).astype(np.float64)
    squares = np.sum(rows * rows, axis=1)
    distances = np.full(len(rows), np.inf)
    for other in others:
        distances = np.minimum(distances, np.sum((rows - other) ** 2, axis=1))
    # Nearer than this a row is a copy: centroids are rounded to float32.
    floor = (8 * np.finfo(np.float32).eps) ** 2 * np.max(squares, initial=0)
    chosen: list[int] = []
    for _ in empty:
        if not len(rows) or distances[(best := int(np.argmax(distances)))] <= floor:
            break
        chosen.append(best)
        to_chosen = np.sum((rows - rows[best]) ** 2, axis=1)
        distances = np.minimum(distances, to_chosen)
    return empty[: len(chosen)], rows[chosen]
