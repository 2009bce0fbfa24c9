"""No print costs a result, and no file name commands the terminal."""

import io
import os
import sys

import pytest

from uhseg_jax.cli import terminal


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b]0;title\x07a.jpg", r"\x1b]0;title\x07a.jpg"),
        ("\x1b[2Ja.jpg", r"\x1b[2Ja.jpg"),
        ("a\rb.jpg", r"a\rb.jpg"),
        ("gpj.\u202ea", r"gpj.\u202ea"),
        ("a\x9b31m", r"a\x9b31m"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("写真 é", "写真 é"),
    ],
)
def test_control_characters_of_names_are_shown(name, shown, capsys):
    terminal.out(name)
    terminal.err(name)
    assert capsys.readouterr() == (f"{shown}\n", f"{shown}\n")
    assert "\n" not in terminal.printable(name, one_line=True)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_characters_that_a_stream_lacks_are_escaped(encoding, monkeypatch):
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.out("写真 é \udcff")
    said = content.getvalue().decode(encoding)
    assert said.endswith("\\udcff\n")
    assert ("写真" in said) == (encoding == "utf-8")
    assert ("é" in said) == (encoding != "ascii")


def guarded(stream, monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal._Guarded(stream))


def test_a_reader_that_has_gone_is_no_error(monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        guarded(stream, monkeypatch)
        for _ in range(3):
            terminal.out("x" * 100_000)
        terminal.tell_of_losses()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_told(monkeypatch, capsys):
    with open("/dev/full", "w", encoding="utf-8") as stream:
        guarded(stream, monkeypatch)
        terminal.out("done")
        terminal.tell_of_losses()
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "the results are in their files" in said


def test_streams_that_are_closed_are_passed_over(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    terminal.out("nothing")
