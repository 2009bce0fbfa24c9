"""What goes from one window of a stream to the next, also as arrays for a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from uhseg_jax.types import Int
from uhseg_jax.video.prototypes import Prototypes

__all__ = ["Carried", "packed", "unpacked"]


@dataclasses.dataclass(frozen=True)
class Carried:
    """What is known when a window begins.

    Attributes:
      start: number of the first frame of the window.
      ids: of its first frames, which were in the window before, the id of every
        superpixel.
      memory: the regions that are remembered; None before the first window.
      next_id: the lowest that was never given.
    """

    start: int = 0
    ids: tuple[Int[np.ndarray, " _"], ...] = ()
    memory: Prototypes | None = None
    next_id: int = 1

    @property
    def stop(self) -> int:
        """Number of the first frame that was in no window yet."""
        return self.start + len(self.ids)

    def last(self, count: int) -> Carried:
        """What is known when a window begins with its last frames."""
        start = self.stop - count
        return dataclasses.replace(self, start=start, ids=self.ids[-count:])


def packed(
    carried: Carried, given: int, settings: Mapping[str, int | str]
) -> dict[str, np.ndarray]:
    """As arrays.

    Args:
      carried: when the window began.
      given: new frames of the window whose labels were given out.
      settings: those that a stream must have to go on.
    """
    numbers = {"start": carried.start, "next_id": carried.next_id, "given": given}
    memory = {} if carried.memory is None else vars(carried.memory)
    return {
        **{k: np.array(v) for k, v in {**numbers, **settings}.items()},
        "sizes": np.array([len(x) for x in carried.ids], np.int64),
        "carried_ids": np.concatenate([np.zeros(0, np.int32), *carried.ids]),
        **{f"memory_{k}": v for k, v in memory.items()},
    }


def unpacked(
    state: Mapping[str, np.ndarray], settings: Mapping[str, int | str]
) -> tuple[Carried, int]:
    """What `packed` was given.

    Raises:
      ValueError: it is no such state, or that of other settings.
    """
    try:
        for name, wanted in settings.items():
            if (found := np.asarray(state[name]).item()) != wanted:
                raise ValueError(
                    f"expected the state of a stream with {name}={wanted}, but it is "
                    f"one with {name}={found}; begin without a state, or with "
                    "those settings."
                )
        names = [x.name for x in dataclasses.fields(Prototypes)]
        known = "memory_ids" in state
        own = {x: state[f"memory_{x}"] for x in names} if known else {}
        memory = Prototypes(**own) if known else None
        ends = np.cumsum(state["sizes"])[:-1]
        ids = np.split(state["carried_ids"], ends) if len(state["sizes"]) else []
        carried = Carried(
            int(state["start"]), tuple(ids), memory, int(state["next_id"])
        )
        return carried, int(state["given"])
    except KeyError as error:
        raise ValueError(
            "expected the state of a stream (`VideoStream.state`), but it lacks "
            f"{error}."
        ) from error
