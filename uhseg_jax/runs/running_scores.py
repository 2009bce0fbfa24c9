"""The scores of the images that are done, while others go on."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from uhseg_jax.metrics import states

__all__ = ["RunningScores"]

_PAUSE = 0.3  # seconds in which scores are not computed again
_MOST_OF_THE_TIME = 0.02  # that computing them may take


class RunningScores:
    """Adds the states of images, and computes their scores every now and then.

    The scores of a whole set can take a second (average precision sorts all proposals),
    so after most images those of some images before are given again.

    Args:
      compute: the scores of a state.
      total: the state of the images before the first.
      clock: seconds.
    """

    def __init__(
        self,
        compute: Callable[[Any], Mapping[str, float]],
        total: Any,
        *,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._compute, self._clock = compute, clock
        self._total, self._waiting = total, list[Any]()
        self._scores: Mapping[str, float] = {}
        self._due = clock()

    def with_image(self, state: Any, *, is_last: bool) -> Mapping[str, float]:
        """Adds an image; the scores of all of them, or those that were computed last.

        Args:
          state: of the image.
          is_last: the scores are to be of all images.
        """
        self._waiting.append(state)
        began = self._clock()
        if is_last or began >= self._due:
            self._scores = self._compute(self.total())
            took = self._clock() - began
            self._due = began + took + max(_PAUSE, took / _MOST_OF_THE_TIME)
        return self._scores

    def total(self) -> Any:
        """The state of all images."""
        if self._waiting:
            self._total = states.merge(self._total, states.merge_all(self._waiting))
            self._waiting.clear()
        return self._total
