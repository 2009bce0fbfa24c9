import dataclasses
import threading
import time
import weakref

import pytest

from uhseg_jax.runs import flow as module
from uhseg_jax.runs.flow import Stages, drained, in_flow


def segment(items, prepared):
    """What the devices make of numbers that were prepared: the same."""
    return drained([wait() for wait in prepared])


def stages(**given):
    """Items are numbers, sizes as well; what is given takes the place of a stage."""
    every = {
        "read": int,
        "prepare": int,
        "segment": segment,
        "finish": int,
        "size": int,
    }
    return Stages(**{**every, **given})


def join(before):
    """Waits for the threads that were not there before."""
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("budget", [0.5, 5, 1000])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_whatever_the_stages_take_results_come_in_order(
    monkeypatch, threads, budget, batch_size
):
    monkeypatch.setattr(module, "_BUDGET", budget)
    before = set(threading.enumerate())

    def slow(modulus):
        def stage(item):
            time.sleep(0.002 * (item % modulus))
            return item

        return stage

    slowly = stages(read=slow(4), prepare=slow(3), finish=slow(5))
    found = in_flow(slowly, range(23), batch_size, threads=threads)
    assert list(found) == list(range(23))
    assert not list(in_flow(stages(), (), batch_size, threads=threads))
    join(before)


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([1, 1, 1, 1, 1], [[1, 1, 1], [1, 1]]),
        ([30, 30, 30], [[30], [30], [30]]),  # each alone on its way
        ([0, 0, 0, 0], [[0, 0, 0], [0]]),
    ],
)
def test_batches_are_bounded_in_items_and_in_bytes(monkeypatch, sizes, batches):
    monkeypatch.setattr(module, "_BUDGET", 10)
    seen = []

    def note(items, prepared):
        seen.append([*items])
        return iter(items)

    assert list(in_flow(stages(segment=note), sizes, 3, threads=1)) == sizes
    assert seen == batches


@dataclasses.dataclass(eq=False)
class Sized:
    """Counts towards the budget for as long as anyone has it."""

    size: int


@pytest.mark.parametrize("batch_size", [1, 5])
def test_items_in_memory_are_within_the_budget_and_one(monkeypatch, batch_size):
    monkeypatch.setattr(module, "_BUDGET", 10)
    alive, most = weakref.WeakSet(), []

    def read(size):
        one = Sized(size)
        alive.add(one)
        most.append(sum(x.size for x in alive))
        return one

    def same(item):
        return item

    ways = {"read": read, "prepare": same, "finish": same, "size": lambda x: x.size}
    for one in in_flow(stages(**ways), [4, 3, 2] * 10, batch_size, threads=3):
        time.sleep(0.002)  # as long as it is here, it is on its way
        del one
    assert not alive
    assert 9 <= max(most) < 10 + 4


def test_a_batch_is_with_the_devices_before_the_results_of_the_one_before_are_fetched():
    seen = []

    def note(items, prepared):
        seen.append(f"begin {[*items]}")

        def results():
            seen.append(f"fetch {[*items]}")
            yield from items

        return results()

    list(in_flow(stages(segment=note), range(5), 2, threads=1))
    assert seen == [
        "begin [0, 1]",
        *("begin [2, 3]", "fetch [0, 1]"),
        *("begin [4]", "fetch [2, 3]"),
        "fetch [4]",
    ]


def test_no_more_is_read_ahead_than_the_threads_need():
    read = []
    results = in_flow(stages(read=lambda x: read.append(x) or x), range(99), 1)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(read) < 99
    results.close()


@pytest.mark.parametrize(
    ("stage", "batch_size", "count"),
    [
        *(("read", 1, 6), ("read", 4, 6), ("finish", 1, 6), ("finish", 4, 6)),
        *(("prepare", 1, 6), ("prepare", 4, 4), ("segment", 1, 6), ("segment", 4, 4)),
    ],
)
def test_an_error_comes_after_what_came_before_and_ends_the_threads(
    stage, batch_size, count
):
    def fail(item, *prepared):
        if item == 6 or (prepared and 6 in item):
            raise KeyError(item)
        return iter(item) if prepared else item

    before, found = set(threading.enumerate()), []
    with pytest.raises(KeyError):
        found.extend(in_flow(stages(**{stage: fail}), range(9), batch_size, threads=2))
    assert found == [*range(count)]
    join(before)


def test_prepared_and_finished_at_once():
    """Each waits for the other, so they would stand still one after the other."""
    meet = threading.Barrier(2, timeout=10)

    def prepare(item):
        if item == 2:
            meet.wait()
        return item

    def finish(item):
        if item == 0:
            meet.wait()
        return item

    both = stages(prepare=prepare, finish=finish)
    assert list(in_flow(both, range(3), 1, threads=2)) == [0, 1, 2]
