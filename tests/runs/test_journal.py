"""Journals of scores: what counts in them, and whose they are."""

import contextlib
import json
import resource

import numpy as np
import pytest

from uhseg_jax.runs import journal
from uhseg_jax.runs.journal import (
    Entry,
    Journal,
    is_journal,
    journals_in,
    read_journals,
)
from uhseg_jax.runs.record import RunError

SETTINGS = "0" * 64


def entry(index, score=0.5):
    words = np.arange(4, dtype="<i4")
    return Entry(index, f"image {index}, é\n\udcff", {"x": score, "y": np.nan}, words)


def append(path, *entries):
    with Journal(path, SETTINGS) as opened:
        for one in entries:
            opened.append(one)


@pytest.fixture
def path(tmp_path):
    """A journal of three images."""
    path = tmp_path / "images-0.jsonl"
    append(path, *map(entry, (2, 0, 1)))
    return path


def read(folder, settings=SETTINGS):
    entries, notes = read_journals(folder, settings)
    return [x.index for x in entries], notes


def test_entries_come_back_in_order(path):
    entries, notes = read_journals(path.parent, SETTINGS)
    assert notes == []
    for found, index in zip(entries, range(3), strict=True):
        assert found.name == entry(index).name
        np.testing.assert_equal(found.row, entry(index).row)
        np.testing.assert_array_equal(found.words, entry(index).words)


def sealed(fields):
    """A line with the mark and a right checksum, of any fields."""
    body = journal._mark("images-0.jsonl") + fields[1:-1]
    return body + journal._SEAL + journal._checksum(body)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-9] + b"\n",
        lambda line: line[:-1] + b" \n",
        lambda line: line.replace(b"image", b"im\xffge"),
        lambda line: line.replace(b'"x": 0.5', b'"x": 0.6'),
        lambda line: b"[" * 100_000 + b"\n",
        lambda line: b"{}\n",
        lambda line: b'{"index": 0, "name": "", "row": {}, "words": ""}\n',
        lambda line: sealed(b"{}"),
        lambda line: sealed(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        lambda line: sealed(
            json.dumps(
                {"settings": SETTINGS, "index": "0", "name": "", "row": {}, "words": ""}
            ).encode()
        ),
        lambda line: entry(0).to_line(SETTINGS, "images-1.jsonl"),
        lambda line: entry(0).to_line("1" * 64, "images-0.jsonl"),
    ],
    ids=[
        *("cut", "changed end", "no UTF-8", "another score", "deep", "foreign"),
        *("of an older version", "no fields", "deep and sealed", "another type"),
        *("another journal", "other settings"),
    ],
)
def test_a_line_that_is_not_as_it_was_written_is_passed_over(damage, path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(damage(lines[1]) + lines[0] + lines[2])
    found, (note,) = read(path.parent)
    assert found == [1, 2]
    assert note.startswith(f"{path}: 1 line is damaged or of other settings; ")


def test_a_cut_line_is_ended_before_the_next(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert read(path.parent)[0] == [0, 2]
    append(path, entry(1))
    found, (note,) = read(path.parent)
    assert found == [0, 1, 2]
    assert "1 line is damaged" in note
    assert path.read_bytes() == whole[:-9] + b"\n" + entry(1).to_line(
        SETTINGS, path.name
    )


def test_of_several_lines_the_first_of_the_first_journal_counts(path):
    append(path, entry(1, 0.1))
    for number in (2, 10):
        other = path.with_name(f"images-{number}.jsonl")
        append(other, entry(1, 0.2), entry(3, number))
    entries, _ = read_journals(path.parent, SETTINGS)
    assert [x.row["x"] for x in entries] == [0.5, 0.5, 0.5, 2]


def test_a_full_disk_leaves_the_journal_as_it_was(path):
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path, SETTINGS) as opened:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 40, limits[1]))
        try:
            with pytest.raises(OSError, match=r"images-0\.jsonl"):
                opened.append(entry(3))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        opened.append(entry(3))
    assert read(path.parent) == ([0, 1, 2, 3], [])


@pytest.mark.parametrize("replaced", [False, True])
def test_scores_do_not_go_where_nobody_finds_them(replaced, path):
    with Journal(path, SETTINGS) as opened:
        opened.append(entry(3))
        path.unlink()
        if replaced:
            path.write_bytes(b"mine")
        with pytest.raises(OSError, match=r"images-0\.jsonl"):
            opened.append(entry(4))
    assert path.exists() == replaced


def test_one_process_has_a_journal_at_a_time(path):
    with (
        Journal(path, SETTINGS),
        pytest.raises(RunError, match=r"images-0\.jsonl: another evaluation"),
        Journal(path, SETTINGS),
    ):
        pass
    append(path, entry(3))
    assert read(path.parent) == ([0, 1, 2, 3], [])


@pytest.mark.parametrize(
    ("content", "is_ours"),
    [
        (b"", True),
        (b'{"uhseg', True),
        (b"\xff\n" + entry(0).to_line(SETTINGS, "images-0.jsonl"), True),
        (entry(0).to_line(SETTINGS, "images-1.jsonl"), False),  # a copy
        (b"{}\n", False),
        (b"{", True),
        (b'{"u": 1}\n{"v": 2}\n', False),
    ],
)
def test_a_journal_is_known_by_what_is_in_it(content, is_ours, tmp_path):
    path = tmp_path / "images-0.jsonl"
    path.write_bytes(content)
    assert is_journal(path) == is_ours
    assert journals_in(tmp_path) == [path] * is_ours
    refused = contextlib.nullcontext() if is_ours else pytest.raises(RunError)
    with refused, Journal(path, SETTINGS):
        pass
    assert path.read_bytes() == content


def test_names_alone_make_no_journal(path):
    (path.parent / "images-train.jsonl").write_bytes(path.read_bytes())
    (path.parent / "images-1.jsonl").mkdir()
    (path.parent / "images-2.jsonl").symlink_to(path)
    assert journals_in(path.parent) == [path]
