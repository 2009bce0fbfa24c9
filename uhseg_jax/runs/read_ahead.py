"""Reading the next images while the devices work on these."""

import collections
import concurrent.futures
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

__all__ = ["read_ahead"]

Key = TypeVar("Key")
Item = TypeVar("Item")


def read_ahead(
    read: Callable[[Key], Item], keys: Iterable[Key], count: int
) -> Generator[Item, None, None]:
    """Maps in order, in a thread that is at most ``count`` results ahead."""
    pool = concurrent.futures.ThreadPoolExecutor(1, "uhseg-read")
    waiting: collections.deque[concurrent.futures.Future[Item]] = collections.deque()
    try:
        for key in keys:
            waiting.append(pool.submit(read, key))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
