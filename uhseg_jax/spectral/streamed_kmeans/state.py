"""How a streamed k-means is set up, and where it stands between two passes."""

import dataclasses
import hashlib
import json
import os
import zipfile

import numpy as np

from uhseg_jax import config_checks
from uhseg_jax.files import atomic_write
from uhseg_jax.types import Float

__all__ = ["Config", "PathLike", "State", "describe", "load", "save"]

PathLike = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Config:
    """How rows are clustered.

    Attributes:
      k: number of clusters.
      mode: ``"lloyd"`` moves the centroids to the means of their groups once a pass;
        ``"mini_batch"`` after every batch, a row by 1 / n if it is the n-th ever of its
        cluster (Bottou and Bengio 1995; Sculley, "Web-scale k-means clustering", WWW
        2010), so every centroid is the mean of all rows it was ever given. Its batches
        should be alike: mix rows that come image by image.
      seeding: ``"k_means++"`` on a uniform sample of rows (Arthur and Vassilvitskii,
        SODA 2007, the best of 2 + log k trials for every seed), or ``"k_means||"`` over
        all rows in seven passes (Bahmani et al., "Scalable k-means++", VLDB 2012).
      cosine: rows and centroids have unit length (spherical k-means).
      max_passes: passes over the data at the most, seeding aside.
      tolerance: a pass whose inertia is not below that of the pass before by more than
        this share of it is the last.
      sample_size: rows of the sample; held in memory about three times.
      batch_rows: rows held at a time; in mini-batches, rows of a step. Lloyd fills
        whole tiles of `stream.TILE` rows on every device.
      seed: of all draws.
      restarts: seedings tried. If more than one, those of k-means++ are each run to
        their end on the sample, and the centroids with least inertia there are the
        seeds; those of k-means|| differ in how its candidates are clustered.
      empty: ``"farthest"``: a cluster that got no row in a pass moves to the row
        farthest from all other centroids; ``"keep"``: it stays where it is.
    """

    k: int
    mode: str = "lloyd"
    seeding: str = "k_means++"
    cosine: bool = True
    max_passes: int = 50
    tolerance: float = 1e-4
    sample_size: int = 50_000
    batch_rows: int = 16_384
    seed: int = 0
    restarts: int = 10
    empty: str = "farthest"

    def __post_init__(self) -> None:
        share = config_checks.real("a number from 0 to 1", lambda x: 0 <= x <= 1)
        kinds = {
            "k": config_checks.whole(1),
            "mode": config_checks.one_of("lloyd", "mini_batch"),
            "seeding": config_checks.one_of("k_means++", "k_means||"),
            "cosine": config_checks.one_of(False, True),
            "max_passes": config_checks.whole(1),
            "tolerance": share,
            "sample_size": config_checks.whole(1),
            "batch_rows": config_checks.whole(1),
            "seed": config_checks.whole(0, 2**32 - 1),
            "restarts": config_checks.whole(1),
            "empty": config_checks.one_of("farthest", "keep"),
        }
        config_checks.check_fields(self, kinds)
        if self.sample_size < self.k:
            raise ValueError(
                f"sample_size must be at least k, but is {self.sample_size} for "
                f"k={self.k}."
            )


@dataclasses.dataclass(frozen=True)
class State:
    """Between two passes; all in numpy.

    Attributes:
      centroids: float32 ``[k, d]``, with which the next pass begins.
      sums: float64 ``[k, d]``, of the rows behind them (mini-batches: ever given).
      weights: int64 ``[k]``, how many rows that is.
      counts: int64 ``[k]``, rows that every cluster got in the last pass.
      inertia: float64 ``[]``, of the last pass; infinite before the first.
      passes: int64 ``[]``, done.
      rows: int64 ``[]``, of a pass; -1 before the first.
      converged: bool ``[]``.
    """

    centroids: np.ndarray
    sums: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    inertia: np.ndarray
    passes: np.ndarray
    rows: np.ndarray
    converged: np.ndarray

    @classmethod
    def begin(cls, centroids: Float[np.ndarray, "k d"]) -> "State":
        """Before the first pass."""
        k = len(centroids)
        return cls(
            centroids=np.asarray(centroids, np.float32),
            sums=np.zeros(centroids.shape),
            weights=np.zeros(k, np.int64),
            counts=np.zeros(k, np.int64),
            inertia=np.asarray(np.inf),
            passes=np.asarray(0),
            rows=np.asarray(-1),
            converged=np.asarray(False),
        )


def describe(config: Config, start: np.ndarray | None, *, processes: int) -> str:
    """What a state belongs to, in one line."""
    digest = None if start is None else hashlib.sha256(start.tobytes()).hexdigest()
    wanted = {**dataclasses.asdict(config), "start": digest, "processes": processes}
    return json.dumps(wanted)


def save(path: PathLike, state: State, description: str) -> None:
    """Writes a state so that a kill leaves either the old file or the new one."""
    arrays = {**vars(state), "description": np.asarray(description)}
    with atomic_write(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def load(path: PathLike, description: str) -> State | None:
    """The state in a file, None without one.

    Raises:
      ValueError: the file is none of ours, or of another configuration.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = str(file["description"])
            theirs = json.loads(found)
            state = State(**{x.name: file[x.name] for x in dataclasses.fields(State)})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: expected the state of a k-means, but it cannot be read as one "
            f"({error}); remove it to begin anew."
        ) from error
    if found != description:
        ours = json.loads(description)
        differ = [x for x in ours if theirs.get(x) != ours[x]]
        words = ", ".join(
            f"{x}: {theirs.get(x)!r} there, {ours[x]!r} here" for x in differ
        )
        raise ValueError(
            f"{path}: the k-means there has another configuration ({words}); give "
            "another state file, or remove this one to begin anew."
        )
    return state
