"""A small vocabulary of CLIP's kind, and the files it is published in."""

import functools
import json
from pathlib import Path

WORDS = ["photo", "photograph", "of", "a", "cat", "cats", "the", "'s", "...", "é", "猫"]


@functools.cache
def byte_letters() -> list[str]:
    """The printable letter that stands for each byte (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def spell(word: str) -> list[str]:
    letters = [byte_letters()[byte] for byte in word.encode()]
    return [*letters[:-1], letters[-1] + "</w>"]


@functools.cache
def merges() -> list[tuple[str, str]]:
    """For each of the words, its letters one after the other."""
    found: dict[tuple[str, str], None] = {}
    for word in WORDS:
        whole, *rest = spell(word)
        for letter in rest:
            found[(whole, letter)] = None
            whole += letter
    return list(found)


@functools.cache
def vocabulary() -> dict[str, int]:
    """As CLIP's: bytes, bytes that end a word, merges, start and end; id 0 is "!"."""
    letters = sorted(byte_letters())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += ["".join(pair) for pair in merges()]
    assert tokens[0] == "!"
    return {
        token: index
        for index, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])
    }


def write_vocabulary(path: Path) -> None:
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges())]
    (path / "vocab.json").write_text(json.dumps(vocabulary()), encoding="utf-8")
    (path / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
