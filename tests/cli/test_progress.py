"""Bars tell the truth: what is compiled, and how long the rest takes without that."""

import sys
import threading

import pytest

from uhseg_jax.cli import progress, terminal


def test_a_bar_shows_names_on_one_line(capsys):
    with progress.Bar(3) as bar:
        bar.move(1, "a\x1b[2J\nb.jpg")
        bar.err("bad\x1b[2J\nname.jpg: it is broken")
        assert bar.done == 1
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert r"a\x1b[2J\nb.jpg" in said
    assert "\\nname.jpg: it is broken\n" in said


@pytest.fixture
def compiling(monkeypatch):
    """Sets what is being compiled, and how long anything was."""

    class Watch:
        def __init__(self):
            self.what, self.lasted = None, 0.0

        def now(self):
            return self.what

        def seconds(self):
            return self.lasted

    found = Watch()
    monkeypatch.setattr(progress, "watch", lambda: found)
    return found


def test_a_bar_of_a_terminal_says_what_is_compiled(compiling, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_is_terminal", lambda: True)
    monkeypatch.setattr(progress, "_PAUSE", 0.01)
    kinds = progress.kinds_of(model="dinov2_test", method="region_merging")
    looked = threading.Event()
    with progress.Bar(2, kinds=kinds) as bar:
        compiling.what = "method", 41.6
        draw = bar._bar.refresh
        monkeypatch.setattr(bar._bar, "refresh", lambda: (draw(), looked.set()))
        assert looked.wait(5)
        bar.move(1, "a.jpg")
        compiling.what = None
        bar.move(2, "b.jpg")
    said = capsys.readouterr().err
    assert "compiling the method region_merging, 42 s]" in said
    assert "b.jpg]" in said


def test_elsewhere_a_line_says_once_what_takes_long(compiling, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_is_terminal", lambda: False)
    monkeypatch.setattr(progress, "_PAUSE", 0.001)
    looks = threading.Semaphore(0)

    def now():
        looks.release()
        return "backbone", 6.0

    with progress.Bar(2) as bar:
        compiling.now = now
        for _ in range(9):
            assert looks.acquire(timeout=5)
        bar.err("between")
    said = capsys.readouterr().err
    assert said.count("Compiling the backbone; it takes a while.\n") == 1


def test_the_rest_is_judged_by_the_last_images():
    remaining = progress.Remaining(1000)
    remaining.add(0, 0.0)
    remaining.add(1, 3.0)
    assert remaining.text() == ""  # one image tells nothing
    for done in range(2, 11):  # images that were there are passed in no time
        remaining.add(done, 3.0)
    assert remaining.text() == "about 1 s left"
    for done in range(11, 101):
        remaining.add(done, 3.0 + 2.0 * (done - 10))
    assert remaining.text() == "about 30 min left"
    remaining.add(1000, 2000.0)
    assert remaining.text() == ""


def test_what_comes_first_comes_late_and_some_come_together():
    one_by_one, by_four = progress.Remaining(20), progress.Remaining(20, at_once=4)
    one_by_one.add(0, 0.0)
    by_four.add(0, 0.0)
    for done, seconds in ((1, 9.0), (2, 10.0), (3, 11.0)):
        one_by_one.add(done, seconds)
    assert one_by_one.text() == "about 17 s left"
    for done in range(1, 5):
        by_four.add(done, 8.0)
    assert by_four.text() == "about 32 s left"
    for done in range(5, 9):
        by_four.add(done, 12.0)
    assert by_four.text() == "about 7 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (99.4, "99 s"),
        (100.0, "2 min"),
        (5900.0, "98 min"),
        (7300.0, "2 h"),
    ],
)
def test_times_are_said_in_few_letters(seconds, text):
    assert progress._duration(seconds) == text


def test_compilation_counts_for_no_image(compiling, monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.Bar(12) as bar:
        clock[0], compiling.lasted = 50.0, 48.0
        bar.move(1, "a.jpg")
        clock[0] = 52.0
        bar.move(2, "b.jpg")
        assert "about 20 s left" in bar._bar.postfix


def test_prints_do_not_run_into_a_bar(capsys):
    with progress.Bar(2) as bar:
        bar.move(1, "a.jpg")
        terminal.err("a sentence")
        print("", file=sys.stderr)
    said = capsys.readouterr().err
    assert "\ra sentence\n" in said
