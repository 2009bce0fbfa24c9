import threading

import pytest

from uhseg_jax.runs import read_ahead as module
from uhseg_jax.runs.read_ahead import read_ahead


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([1, 1, 1, 1, 1], [[1, 1, 1], [1, 1]]),
        ([4, 4, 4, 1, 1, 1, 1], [[4, 4, 4], [1, 1, 1], [1]]),
        ([30, 4, 9, 1, 1, 1], [[30], [4, 9], [1, 1, 1]]),  # bytes count as well
        ([], []),
    ],
)
def test_batches_are_bounded_in_items_and_in_bytes(monkeypatch, sizes, batches):
    monkeypatch.setattr(module, "_BUDGET", 10)
    assert list(read_ahead(int, sizes, 3, size=int)) == batches


def test_no_more_than_one_batch_is_read_ahead(monkeypatch):
    read, asked = [], threading.Semaphore(0)

    def note(key):
        asked.release()
        read.append(key)
        return key

    batches = read_ahead(note, range(10), 2, size=int)
    assert next(batches) == [0, 1]
    for _ in range(4):
        assert asked.acquire(timeout=10)
    assert not asked.acquire(timeout=0.05)
    batches.close()
    assert read == [0, 1, 2, 3]


def test_an_error_of_the_reader_is_raised_and_ends_the_thread():
    def fail(key):
        raise KeyError(key)

    before = set(threading.enumerate())
    with pytest.raises(KeyError):
        list(read_ahead(fail, range(3), 2, size=int))
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
