"""Calls in processes: the same results, errors that say whose, and none left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from own_processes import is_running, wait_for

from uhseg_jax import processes, workers
from uhseg_jax.metrics.boundary_matching import count_matches
from uhseg_jax.metrics.thinning import thin
from uhseg_jax.workers import WorkerError, Workers, call_here

SHAPE = np.pad(np.ones((6, 6), bool), 3)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Processes are started for the first call already, which is made here."""
    monkeypatch.setattr(workers, "_SLOW", -1.0)


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    found, start = [], workers.start

    def note(*args, **kwargs):
        found.append(start(*args, **kwargs))
        return found[-1]

    monkeypatch.setattr(workers, "start", note)
    return found


def test_calls_of_several_threads_give_what_they_give_here(started):
    shapes = [np.roll(SHAPE, i, axis=0) for i in range(9)]
    with Workers(2) as two, ThreadPoolExecutor(4) as pool:
        assert two.call(os.getpid) == os.getpid()  # to see how long calls take
        found = list(pool.map(lambda x: two.call(thin, x), shapes))
        assert two.call(os.getpid) in {x.pid for x in started}
    np.testing.assert_array_equal(found, [thin(x) for x in shapes])
    assert 1 <= len(started) <= 2
    assert all(x.returncode == -signal.SIGKILL for x in started)


def test_matching_imports_no_jax():
    maps = thin(SHAPE)[None]
    with Workers(1) as one:
        for _ in range(2):
            counts = one.call(count_matches, maps, maps, 1.0)
        loaded = one.call(eval, "sorted(__import__('sys').modules)")
    assert counts.tolist() == 1 * [3 * [maps.sum()]]
    assert "uhseg_jax.metrics.boundary_matching" in loaded
    assert not {"jax", "flax", "skimage", "matplotlib"} & {*loaded}


def test_calls_that_take_no_time_start_nothing(monkeypatch, started):
    monkeypatch.setattr(workers, "_SLOW", 60.0)
    with Workers(2) as two:
        assert {two.call(os.getpid) for _ in range(3)} == {os.getpid()}
    assert not started


def test_what_fails_in_a_process_says_what_and_leaves_the_others(started, monkeypatch):
    killed, killpg = [], os.killpg
    kill = lambda group, which: [killed.append(group), killpg(group, which)]  # noqa: E731
    monkeypatch.setattr(processes.os, "killpg", kill)
    with Workers(1) as one:
        one.call(abs, 1)
        with pytest.raises(WorkerError, match=r"(?s)int failed: .*ValueError: invalid"):
            one.call(int, "one")
        with pytest.raises(MemoryError, match="bytearray"):
            one.call(bytearray, 2**62)
        assert len(started) == 1  # a failure that was told is no reason for another
        with pytest.raises(WorkerError, match="ended with status 3 while"):
            one.call(os._exit, 3)
        with pytest.raises(WorkerError, match="ended with status -9"):
            one.call(eval, "__import__('os').kill(__import__('os').getpid(), 9)")
        assert one.call(int, "1") == 1  # by another one
    # Numbers of processes that have ended are not used again.
    assert killed == [process.pid for process in started]


def test_where_no_process_starts_calls_are_made_here(monkeypatch):
    notes = []
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Workers(2, notes.append) as two:
        assert [two.call(os.getpid) for _ in range(3)] == 3 * [os.getpid()]
    (note,) = notes
    assert "in one process (/nowhere/python could not be started" in note
    assert call_here(int, "2") == 2


def test_the_end_of_the_block_ends_calls_that_go_on(started):
    began = time.monotonic()
    failures = []

    def sleep(two):
        with pytest.raises(WorkerError) as failure:
            two.call(time.sleep, 60)
        failures.append(failure)

    with Workers(1) as one:
        one.call(abs, 1)
        one.call(abs, 1)
        threads = [threading.Thread(target=sleep, args=[one]) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join(10)
    assert len(failures) == 2
    assert len(started) == 1
    assert time.monotonic() - began < 10


# A parent with two workers that sleep; it does not import the whole package.
PARENT = """
import sys, threading, time, types
package = types.ModuleType("uhseg_jax")
package.__path__ = [sys.argv[1]]
sys.modules["uhseg_jax"] = package
from uhseg_jax import workers
workers._SLOW = -1.0
with workers.Workers(2) as two:
    two.call(abs, 1)
    threads = [
        threading.Thread(target=two.call, args=[time.sleep, 60], daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    while len(two._workers) < 2:
        time.sleep(0.01)
    print(*(x._process.pid for x in two._workers), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are in /proc")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(ending, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(Path(processes.__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    numbers = [int(x) for x in parent.stdout.readline().split()]
    assert len(numbers) == 2
    assert all(map(is_running, numbers))
    parent.send_signal(ending)
    parent.wait(10)
    parent.stdout.close()
    assert wait_for(lambda: not any(map(is_running, numbers)))
