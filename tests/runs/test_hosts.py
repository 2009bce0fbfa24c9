"""Two processes, played by two threads."""

import threading

import numpy as np
import pytest

from uhseg_jax.runs import hosts
from uhseg_jax.runs.shards import Share


@pytest.fixture
def play(monkeypatch):
    """Runs a function in two threads that take themselves for processes."""
    place, meeting, told = threading.local(), threading.Barrier(2), [None, None]

    def gather(words):
        told[place.index] = words
        meeting.wait(timeout=10)
        words = list(told)
        meeting.wait(timeout=10)
        return words

    monkeypatch.setattr(hosts, "index", lambda: place.index)
    monkeypatch.setattr(hosts, "count", lambda: 2)
    monkeypatch.setattr(hosts, "gather", gather)

    def played(action):
        errors = [None, None]

        def run(index):
            place.index = index
            try:
                hosts.first_then_others(action, name="report")
            except Exception as error:
                errors[index] = error

        threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return errors

    return played


def test_the_first_acts_before_the_others(play):
    order = []
    assert play(lambda: order.append(hosts.share())) == [None, None]
    assert order == [Share(0, 2), Share(1, 2)]


@pytest.mark.parametrize("culprit", [0, 1])
def test_all_hear_of_a_failure(play, culprit):
    def action():
        if hosts.index() == culprit:
            raise OSError("the disk is full")

    errors = play(action)
    assert isinstance(errors[culprit], OSError)
    assert isinstance(errors[1 - culprit], hosts.HostsError)
    assert f"process {culprit} failed" in str(errors[1 - culprit])


def test_a_lost_process_is_a_hosts_error(monkeypatch):
    def process_allgather(words):
        raise RuntimeError("connection reset")

    monkeypatch.setattr(hosts, "count", lambda: 2)
    monkeypatch.setattr(hosts, "_wait_for_all", lambda: None)
    monkeypatch.setattr(hosts.multihost_utils, "process_allgather", process_allgather)
    with pytest.raises(hosts.HostsError, match="connection reset"):
        hosts.gather(np.zeros(1, np.int32))
