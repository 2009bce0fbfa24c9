"""Seeds for a streamed k-means: k-means++ on a sample, or k-means|| over all rows."""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.spectral import kmeans
from uhseg_jax.spectral.streamed_kmeans.device_pass import Groups, Rows
from uhseg_jax.spectral.streamed_kmeans.hosts import Hosts, alone
from uhseg_jax.spectral.streamed_kmeans.passes import improve, unit
from uhseg_jax.spectral.streamed_kmeans.state import Config, State
from uhseg_jax.spectral.streamed_kmeans.stream import Lowest, draw
from uhseg_jax.types import Float

__all__ = ["seeds"]

_ROUNDS = 5  # section 5 of Bahmani et al.: more bring nothing
_OVERSAMPLING = 2  # candidates expected of a round, over k


def seeds(rows: Rows, config: Config, hosts: Hosts) -> Float[np.ndarray, "k d"]:
    """Rows, or mean rows, from which to begin.

    Args:
      rows: this process's share of the data.
      config: of the clustering.
      hosts: the processes.

    Returns:
      float32, the same in every process; of unit length if cosine. With fewer distinct
      rows than k the last repeat the first.

    Raises:
      ValueError: fewer rows than k, or rows that cannot be read (`stream.deal`).
    """
    if config.seeding == "k_means||":
        return _parallel(rows, config, hosts)
    sample = _sample(rows, config.sample_size, config, hosts)
    points = unit(sample) if config.cosine else sample
    starts = [
        _plus_plus(points, config, seed)
        for seed in _sequence(config, 0).generate_state(config.restarts)
    ]
    if config.restarts == 1:
        return starts[0]
    return min(
        (_on_sample(sample, start, config) for start in starts),
        key=lambda state: float(state.inertia),
    ).centroids


def _sample(
    rows: Rows, size: int, config: Config, hosts: Hosts
) -> Float[np.ndarray, "s d"]:
    """A uniform sample over all processes; refuses data of fewer rows than k."""
    drawn = hosts.together(
        lambda: draw(rows.batches, size, seed=(config.seed, 1, hosts.index))
    )
    keys, own = drawn.values()
    _, sample = hosts.lowest(keys, own, size)
    count = int(hosts.add({"rows": np.asarray(drawn.seen, np.int64)})["rows"])
    if count < config.k:
        raise ValueError(
            f"k-means of k={config.k} needs at least as many rows, but found {count}; "
            "ask for fewer clusters, or give more data."
        )
    return sample


def _plus_plus(
    points: Float[np.ndarray, "s d"], config: Config, seed: np.uint32
) -> Float[np.ndarray, "k d"]:
    drawn = _jitted_plus_plus(
        jax.random.key(int(seed)),
        jnp.asarray(points),
        config.k,
        num_clusters=jnp.asarray(config.k, jnp.int32),
        mask=jnp.ones(len(points), bool),
        trials=_trials(config.k),
    )
    return np.asarray(drawn)


_jitted_plus_plus = jax.jit(
    kmeans.k_means_plus_plus, static_argnums=2, static_argnames="trials"
)


def _trials(k: int) -> int:
    """Rows tried for every seed, as scikit-learn does."""
    return 2 + int(math.log(k))


def _on_sample(
    sample: Float[np.ndarray, "s d"], start: Float[np.ndarray, "k d"], config: Config
) -> State:
    """Lloyd's algorithm on the sample, in every process the same."""
    lloyd = Config(k=config.k, cosine=config.cosine, max_passes=config.max_passes)
    rows = Rows(
        lambda: [sample],
        batch_rows=config.batch_rows,
        exact=False,
        cosine=config.cosine,
        mesh=None,
    )
    state = State.begin(start)
    while not state.converged and state.passes < lloyd.max_passes:
        state = improve(state, rows, lloyd, Hosts(alone))
    return state


def _parallel(rows: Rows, config: Config, hosts: Hosts) -> Float[np.ndarray, "k d"]:
    """k-means||, algorithm 2 of Bahmani et al. with l = 2 k, five rounds.

    A row joins the candidates when its number u from [0, 1) is below l d^2 / cost. The
    cost is known only after the pass, so the rows with the smallest u / (l d^2) are
    kept and those below 1 / cost join: a round is one pass.
    """
    found = _sample(rows, 1, config, hosts)
    found = unit(found) if config.cosine else found
    expected = _OVERSAMPLING * config.k
    for turn in range(_ROUNDS):
        rng = np.random.default_rng((config.seed, 2 + turn, hosts.index))
        keys, joining, cost = _round(rows, found, rng, expected, hosts)
        joining = joining[keys * cost < 1] if cost > 0 else joining[:0]
        joining = unit(joining) if config.cosine else joining
        found = np.concatenate([found, joining])
    sizes = _group_sizes(rows, found, hosts)
    rng = np.random.default_rng(_sequence(config, 7))
    tries = [
        _weighted(found, sizes, config.k, rng, cosine=config.cosine)
        for _ in range(config.restarts)
    ]
    return min(tries, key=lambda x: x[1])[0].astype(np.float32)


def _round(
    rows: Rows,
    found: Float[np.ndarray, "c d"],
    rng: np.random.Generator,
    expected: int,
    hosts: Hosts,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Keys and rows that may join, and the cost of the candidates so far."""
    # Nearer than this a row is a copy of a candidate.
    scale = float(np.max(np.sum(found * found, axis=1), initial=0))
    floor = (8 * np.finfo(np.float32).eps) ** 2 * scale
    # More than twice the expected number joins practically never.
    lowest = Lowest(2 * expected + 64)

    def action() -> Groups:
        total = Groups.empty(_room(found).shape[0], 0)
        for outcome in rows.walk(lambda: _room(found), sums=False):
            outcome.add_to(total)
            distances = outcome.distances.astype(np.float64)
            far = distances > floor
            numbers = rng.random(len(distances))
            keys = numbers / (expected * np.where(far, distances, 1))
            lowest.offer(np.where(far, keys, np.inf), outcome.batch.rows)
        return total

    total = hosts.together(action)
    cost = float(hosts.add({"cost": total.inertia})["cost"])
    return *hosts.lowest(*lowest.values(), lowest.size), cost


def _group_sizes(
    rows: Rows, found: Float[np.ndarray, "c d"], hosts: Hosts
) -> np.ndarray:
    """How many rows every candidate is the nearest to."""

    def action() -> Groups:
        total = Groups.empty(_room(found).shape[0], 0)
        for outcome in rows.walk(lambda: _room(found), sums=False):
            outcome.add_to(total)
        return total

    total = hosts.together(action)
    return hosts.add({"sizes": total.sizes})["sizes"][: len(found)]


def _room(found: Float[np.ndarray, "c d"]) -> Float[np.ndarray, "r d"]:
    """Candidates, the first repeated up to a power of two, so that few shapes occur.

    Of equal candidates the first is the nearest: the copies get no row.
    """
    size = 1 << (len(found) - 1).bit_length()
    return np.concatenate([found, np.repeat(found[:1], size - len(found), axis=0)])


def _weighted(
    points: Float[np.ndarray, "c d"],
    weights: np.ndarray,
    k: int,
    rng: np.random.Generator,
    *,
    cosine: bool,
) -> tuple[np.ndarray, float]:
    """k-means++ and Lloyd's algorithm on a few weighted points, float64 on the host."""
    points = points.astype(np.float64)
    squares = np.sum(points * points, axis=1)

    def distances_to(centroids: np.ndarray) -> np.ndarray:
        products = points @ centroids.T
        norms = np.sum(centroids * centroids, axis=1)
        return np.maximum(squares[:, None] + norms - 2 * products, 0)

    def draws() -> Iterator[int]:
        floor = 64 * np.finfo(np.float64).eps * squares.max()
        chances = weights.astype(np.float64)
        nearest = np.full(len(points), np.inf)
        first = -1
        for _ in range(k):
            total = chances.sum()
            if total <= 0:  # no other point is left
                yield first
                continue
            drawn = rng.choice(len(points), _trials(k), p=chances / total)
            left = np.minimum(nearest[:, None], distances_to(points[drawn]))
            best = int(np.argmin(weights @ left))
            nearest = left[:, best]
            first = int(drawn[best]) if first < 0 else first
            yield int(drawn[best])
            chances = weights * np.where(nearest > floor, nearest, 0)

    centroids = points[list(draws())]
    labels = np.full(len(points), -1)
    for _ in range(100):
        distances = distances_to(centroids)
        if np.array_equal(nearest := distances.argmin(1), labels):
            break
        labels = nearest
        groups = (labels == np.arange(k)[:, None]) * weights
        sums, sizes = groups @ points, groups.sum(1)
        means = sums / np.maximum(sizes, 1)[:, None]
        means = unit(means) if cosine else means
        centroids = np.where(sizes[:, None] > 0, means, centroids)
    return centroids, float(weights @ distances_to(centroids).min(1))


def _sequence(config: Config, number: int) -> np.random.SeedSequence:
    return np.random.SeedSequence((config.seed, number))
