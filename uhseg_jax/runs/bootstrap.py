"""The scores of resampled images, from which standard errors and intervals come.

A score is a function of sums over images: a mean, a ratio of sums, the best scale of a
set. The bootstrap (Efron, Annals of Statistics 1979) computes it again and again of as
many images as there are, drawn from them with replacement; how far the results lie
apart says how far the score would have been another on other images of the kind.

How often an image is drawn depends on nothing but the number of images and its place
in the order of the dataset: the numbers are PCG64's of one fixed seed, the same on
every machine. So all evaluations of a dataset draw the same images, and the difference
of two scores is resampled by subtracting one from the other.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.metrics import states
from uhseg_jax.types import Float, Int

__all__ = ["NUM_RESAMPLES", "Resampled", "read", "resample", "weights", "write"]

NUM_RESAMPLES = 1000
_SEED = 2311


@dataclasses.dataclass(frozen=True)
class Resampled:
    """Scores of resampled images.

    Attributes:
      scores: for every key of ``metrics.json`` float64 ``[r]``, one for each resample.
      images: how many were drawn from, in the order of their dataset.
      seed: of the draws.
    """

    scores: Mapping[str, Float[np.ndarray, " r"]]
    images: int
    seed: int = _SEED

    def draws_as(self, other: "Resampled") -> bool:
        """Whether both drew the same images, so that scores may be subtracted."""
        counts = [{x.size for x in one.scores.values()} for one in (self, other)]
        ours, theirs = ((one.images, one.seed) for one in (self, other))
        return ours == theirs and counts[0] == counts[1]


def weights(
    num_images: int, count: int = NUM_RESAMPLES
) -> Iterator[Int[np.ndarray, " n"]]:
    """How often each image is drawn, one resample after the other.

    Args:
      num_images: at least one.
      count: of resamples.
    """
    # What numpy makes of the bits of a generator may change between its versions; the
    # bits may not. Their remainders are uniform to 2^-40.
    bits = np.random.PCG64(_SEED)
    for _ in range(count):
        drawn = bits.random_raw(num_images) % np.uint64(num_images)
        yield np.bincount(drawn.astype(np.int64), minlength=num_images)


def resample(
    compute: Callable[[Any], Mapping[str, float]], images: Sequence[Any]
) -> Resampled:
    """The scores of resamples.

    Args:
      compute: gives the scores of a state (`Scorer.compute`).
      images: the state of every image, in the order of the dataset.
    """
    if not images:
        return Resampled({}, 0)
    stack = states.stack(images)
    rows = [compute(stack.total(drawn)) for drawn in weights(len(images))]
    keys = dict.fromkeys(key for row in rows for key in row)
    return Resampled(
        {key: np.array([row.get(key, math.nan) for row in rows]) for key in keys},
        len(images),
    )


def write(path: Path, found: Resampled) -> None:
    """Writes ``keys`` ``[k]``, ``scores`` ``[k, r]``, ``images`` and ``seed``, npz."""
    scores = np.array([*found.scores.values()] or np.zeros((0, 0)), np.float64)
    with open(path, "wb") as file:
        np.savez_compressed(
            file,
            keys=np.array([*found.scores], np.str_),
            scores=scores,
            images=np.int64(found.images),
            seed=np.int64(found.seed),
        )


def read(path: Path) -> Resampled:
    """What `write` wrote.

    Raises:
      ValueError: the file is another.
      OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            keys, scores, images, seed = (
                file[x] for x in ("keys", "scores", "images", "seed")
            )
        scores = np.asarray(scores, np.float64)
        if scores.ndim != 2:
            raise ValueError(f"expected scores [k, r], but got {scores.shape}.")
        by_key = dict(zip(map(str, keys.tolist()), scores, strict=True))
        return Resampled(by_key, int(images), int(seed))
    except OSError:
        raise
    except Exception as error:  # zip files and headers break in many ways
        raise ValueError(f"{path}: expected resampled scores ({error!r}).") from error
