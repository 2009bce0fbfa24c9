"""Reading the next images while the devices work on these."""

import concurrent.futures
import itertools
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

__all__ = ["read_ahead"]

Key = TypeVar("Key")
Item = TypeVar("Item")

_BUDGET = 2**30  # bytes of a batch, beyond which it is cut short


def read_ahead(
    read: Callable[[Key], Item],
    keys: Iterable[Key],
    count: int,
    *,
    size: Callable[[Item], int],
) -> Generator[list[Item], None, None]:
    """Maps in order, in batches, of which a thread reads the next one meanwhile.

    Args:
      read: gives the item of a key.
      keys: in order.
      count: items of a batch, at the most. A batch ends early where it is larger than
        a gigabyte, so two of them are in memory, and one item more.
      size: bytes of an item.
    """
    waiting, stopped = iter(keys), threading.Event()

    def next_batch() -> list[Item]:
        batch: list[Item] = []
        left = _BUDGET
        for key in itertools.islice(waiting, count):
            batch.append(read(key))
            left -= size(batch[-1])
            if left <= 0 or stopped.is_set():
                break
        return batch

    pool = concurrent.futures.ThreadPoolExecutor(1, "uhseg-read")
    try:
        reading = pool.submit(next_batch)
        while batch := reading.result():
            reading = pool.submit(next_batch)
            yield batch
            del batch  # before the next but one is read
    finally:
        stopped.set()
        # Whoever interrupts does not wait for the image that is being read.
        pool.shutdown(wait=False, cancel_futures=True)
