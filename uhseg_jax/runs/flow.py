"""Images on their way through a run: read, prepared, segmented and finished at once.

While the devices have a batch, one thread decodes the next images, and others prepare
those and finish (draw, score) the ones before. Nine tenths of that work are done
without Python's lock, so threads keep some ten processors busy. What never lets go of
the lock, the matching of boundaries, they give to processes (`workers`).
"""

import collections
import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from uhseg_jax.entry import own_settings
from uhseg_jax.processor import host_threads

__all__ = ["Stages", "drained", "in_flow"]

Key = TypeVar("Key")
Item = TypeVar("Item")
Done = TypeVar("Done")
Segment = Callable[[Sequence[Item], Sequence[Callable[[], Any]]], Iterator[Item]]

_BUDGET = 2**30  # bytes of all items on their way, beyond which no other is read


@dataclasses.dataclass(frozen=True)
class Stages(Generic[Key, Item, Done]):
    """What happens to every image of a run, in this order.

    Attributes:
      read: gives the item of a key; in one thread, in order.
      prepare: what the host finds in an item first; in several threads.
      segment: given a batch, and for each item a function that waits for what was
        prepared, hands it to the devices and returns; what is returned waits for the
        results and gives the items in order, keeping none (`drained`). In the calling
        thread.
      finish: what is made of the result; in several threads.
      size: bytes of an item, while it is on its way.
    """

    read: Callable[[Key], Item]
    prepare: Callable[[Item], Any]
    segment: Segment[Item]
    finish: Callable[[Item], Done]
    size: Callable[[Item], int]


def in_flow(
    stages: Stages[Key, Item, Done],
    keys: Iterable[Key],
    batch_size: int,
    *,
    threads: int | None = None,
) -> Generator[Done, None, None]:
    """What becomes of every key, in order, while those behind are on their way.

    Two batches are with the devices at most. No key is read while all items on their
    way have a gigabyte or more, so one item may be larger, and a batch ends early. An
    item is on its way until the one after it is asked for.

    Args:
      stages: of the way.
      keys: in order.
      batch_size: items that the devices are given together.
      threads: that prepare and finish; None: one for each processor.

    Raises:
      Exception: what a stage raised, after the items before came out; where preparing
        or segmenting raised, after the batches before.
    """
    threads = threads or host_threads()
    most = batch_size + threads  # that wait for their next stage
    pool = ThreadPoolExecutor(threads, "uhseg-host")
    reader = _Reader(stages, keys, pool, most)
    finish = own_settings()(stages.finish)
    finishing: collections.deque[Future[Done]] = collections.deque()

    def first() -> Iterator[Done]:
        yield finishing.popleft().result()
        reader.release()

    failure: Exception | None = None
    segmented = _segmented(stages.segment, reader, batch_size)
    try:
        while True:
            try:
                item = next(segmented)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            if item is not None:
                finishing.append(pool.submit(finish, item))
            elif finishing:
                yield from first()  # to make room
            del item  # not kept once it has come out
            while finishing and (len(finishing) > most or finishing[0].done()):
                yield from first()
        while finishing:
            yield from first()
        if failure is not None:
            raise failure
    finally:
        reader.stop()
        # Whoever interrupts does not wait for the images that are on their way.
        pool.shutdown(wait=False, cancel_futures=True)


def _segmented(
    segment: Segment[Item],
    reader: "_Reader[Any, Item]",
    batch_size: int,
) -> Iterator[Item | None]:
    """The items with their results, in order; None where room must be made for more.

    A batch is with the devices before the results of the one before are waited for.
    """
    before: Iterator[Item] | None = None
    while True:
        begun: Iterator[Item] | None = None
        failure: Exception | None = None
        try:
            begun = _begun(segment, reader.batch(batch_size))
        except Exception as error:
            failure = error  # of those behind
        if before is not None:
            yield from before
        if failure is not None:
            raise failure
        if before is None and begun is None:
            if reader.is_done():
                return
            yield None
        before = begun


def _begun(
    segment: Segment[Item], batch: Sequence[tuple[Item, Future[Any]]]
) -> Iterator[Item] | None:
    """The items of a batch, which is with the devices; None of none."""
    if not batch:
        return None
    items, prepared = zip(*batch, strict=True)
    return segment(items, [x.result for x in prepared])


def drained(items: Iterable[Item]) -> Iterator[Item]:
    """The items, of which those that were given are not kept."""
    waiting = collections.deque(items)
    del items
    while waiting:
        yield waiting.popleft()


class _Reader(Generic[Key, Item]):
    """A thread that reads ahead as long as there is room.

    Args:
      stages: of which it calls the first, and has the second called.
      keys: what it reads.
      pool: the threads that prepare.
      most: items that wait to be taken.
    """

    def __init__(
        self,
        stages: Stages[Key, Item, Any],
        keys: Iterable[Key],
        pool: concurrent.futures.Executor,
        most: int,
    ):
        self._stages, self._pool, self._most = stages, pool, most
        self._changed = threading.Condition()
        self._ready: collections.deque[tuple[Item, Future[Any]]] = collections.deque()
        self._sizes: collections.deque[int] = collections.deque()  # of all on their way
        self._is_stopped = False
        thread = ThreadPoolExecutor(1, "uhseg-read")
        self._reading = thread.submit(self._read_all, iter(keys))
        self._reading.add_done_callback(lambda _: self._notify())
        thread.shutdown(wait=False)

    def batch(self, count: int) -> list[tuple[Item, Future[Any]]]:
        """The next items; fewer at the end or where there is no room, or even none."""
        batch: list[tuple[Item, Future[Any]]] = []
        while len(batch) < count and (taken := self._take()) is not None:
            batch.append(taken)
        return batch

    def is_done(self) -> bool:
        """Whether all items were taken; raises what reading the next one raised."""
        with self._changed:
            if self._ready or not self._reading.done():
                return False
        self._reading.result()
        return True

    def release(self) -> None:
        """Makes room: the item that was read first is no more."""
        with self._changed:
            self._sizes.popleft()
        self._notify()

    def stop(self) -> None:
        """Lets the thread end after the item that it reads."""
        with self._changed:
            self._is_stopped = True
        self._notify()

    def _take(self) -> tuple[Item, Future[Any]] | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._ready or self._reading.done() or not self._has_room()
            )
            if not self._ready:
                return None
            self._changed.notify_all()
            return self._ready.popleft()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return sum(self._sizes) < _BUDGET

    def _may_read(self) -> bool:
        return self._has_room() and len(self._ready) < self._most

    def _read_all(self, keys: Iterator[Key]) -> None:
        prepare = own_settings()(self._stages.prepare)
        with own_settings():
            for key in keys:
                with self._changed:
                    self._changed.wait_for(lambda: self._is_stopped or self._may_read())
                    if self._is_stopped:
                        return
                item = self._stages.read(key)
                with self._changed:
                    if self._is_stopped:
                        return
                    self._sizes.append(self._stages.size(item))
                    self._ready.append((item, self._pool.submit(prepare, item)))
                    self._changed.notify_all()
                del item  # not kept while there is no room
