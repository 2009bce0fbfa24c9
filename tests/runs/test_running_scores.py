import numpy as np

from uhseg_jax.runs.running_scores import RunningScores


class Clock:
    """Seconds that pass as they are told to."""

    now = 0.0

    def __call__(self):
        return self.now


def run(count, *, every, takes):
    """Scores shown after each of so many images, and seconds that computing took."""
    clock, spent = Clock(), []

    def compute(total):
        clock.now += takes
        spent.append(takes)
        return {"images": float(total)}

    scores = RunningScores(compute, np.asarray(0), clock=clock)
    shown = []
    for index in range(count):
        clock.now += every
        found = scores.with_image(np.asarray(1), is_last=index == count - 1)
        shown.append(found["images"])
    assert scores.total() == count
    return shown, sum(spent), clock.now


def test_scores_are_those_of_all_images_where_they_take_no_time():
    shown, _, _ = run(9, every=1.0, takes=0.001)
    assert shown == [*range(1, 10)]


def test_fast_images_share_scores_but_the_last():
    shown, _, _ = run(100, every=0.01, takes=0.0)
    assert shown[0] == 1
    assert shown[-1] == 100
    assert 3 <= len({*shown}) <= 6


def test_slow_scores_take_a_fiftieth_of_the_time():
    shown, spent, total = run(800, every=1.0, takes=1.0)
    assert 10 < len({*shown}) < 22
    assert spent < 0.025 * total
