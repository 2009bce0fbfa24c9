import threading
import time

import pytest

from uhseg_jax.runs import flow as module
from uhseg_jax.runs.flow import Stages, in_flow


def segment(items, prepared):
    """What the devices make of numbers that were prepared: the same."""
    return iter([wait() for wait in prepared])


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


def test_items_on_their_way_are_within_the_budget_and_one(monkeypatch):
    monkeypatch.setattr(module, "_BUDGET", 10)
    lock, alive, most = threading.Lock(), 0, 0

    def read(size):
        nonlocal alive, most
        with lock:
            alive += size
            most = max(most, alive)
        return size

    for size in in_flow(stages(read=read), [4, 3, 2] * 10, 2, threads=3):
        with lock:
            alive -= size
    assert alive == 0
    assert 9 <= most < 10 + 4


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


@pytest.mark.parametrize("stage", ["read", "prepare", "segment", "finish"])
def test_an_error_comes_after_what_came_before_and_ends_the_threads(stage):
    def fail(item, *prepared):
        if item in (3, (3,)):
            raise KeyError(item)
        return iter(item) if prepared else item

    before, found = set(threading.enumerate()), []
    with pytest.raises(KeyError):
        found.extend(in_flow(stages(**{stage: fail}), range(9), 1, threads=2))
    assert found == [0, 1, 2]
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
