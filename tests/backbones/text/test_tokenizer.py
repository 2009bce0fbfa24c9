"""Prompts as ids: by hand for the rules, transformers' CLIPTokenizer for any text."""

import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np
import pytest
from clip_vocabulary import merges, spell, vocabulary, write_vocabulary
from hypothesis import example, given, settings
from hypothesis import strategies as st

from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.text.tokenizer import prompt_ids
from uhseg_jax.backbones.weights.errors import WeightsError

END = len(vocabulary()) - 1
SD1 = TextEncoderSpec(
    vocabulary=END + 1, length=13, start=END - 1, end=END, padding=END
)
SD2 = dataclasses.replace(SD1, padding=0)
SPECS = {"sd1": SD1, "sd2": SD2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    write_vocabulary(path)
    return path


def ids_of(*tokens: str) -> list[int]:
    return [vocabulary()[token] for token in tokens]


def prompt_of(words: list[int], spec: TextEncoderSpec) -> np.ndarray:
    ids = [spec.start, *words, spec.end]
    padding = [spec.padding] * (spec.length - len(ids))
    return np.array([*ids, *padding], np.int32)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_empty_prompt_needs_no_vocabulary(spec):
    ids = prompt_ids("", spec=spec)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, prompt_of([], spec))


def test_the_empty_prompt_of_clip():
    ids = prompt_ids("", spec=TextEncoderSpec())
    np.testing.assert_array_equal(ids, [49406] + [49407] * 76)


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("photo", ["photo</w>"]),
        ("  Photo \t\nOF a CAT ", ["photo</w>", "of</w>", "a</w>", "cat</w>"]),
        ("cat's", ["cat</w>", "'s</w>"]),
        ("cats...", ["cats</w>", "...</w>"]),
        ("cat42", ["cat</w>", "4</w>", "2</w>"]),
        ("phot", ["pho", "t</w>"]),
        ("e\u0301", ["".join(spell("é"))]),
    ],
)
def test_words_are_split_and_merged(prompt, tokens, folder):
    pytest.importorskip("tokenizers")
    found = prompt_ids(prompt, spec=SD1, folder=folder)
    np.testing.assert_array_equal(found, prompt_of(ids_of(*tokens), SD1))


def test_what_does_not_fit_is_cut_before_the_end(folder):
    pytest.importorskip("tokenizers")
    found = prompt_ids("cat " * 40, spec=SD2, folder=folder)
    np.testing.assert_array_equal(found, prompt_of(ids_of("cat</w>") * 11, SD2))


@functools.cache
def reference(spec: TextEncoderSpec):
    from torch_diffusion import transformers

    tokens = list(vocabulary())
    return transformers.CLIPTokenizer(
        vocab=vocabulary(), merges=merges(), pad_token=tokens[spec.padding]
    )


@pytest.mark.parity
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
# A small alphabet meets the vocabulary's words, all of Unicode the rest.
@given(
    prompt=st.text("acfhopst CA'.!?1é猫\u0301\n", max_size=30) | st.text(max_size=12)
)
@example(prompt="A photograph of the cat's CATS, 2 cats & 11 photos!!!")
@example(prompt="<|endoftext|>cat<|STARTOFTEXT|> <|startoftext|>")
@example(prompt="cats! a ! b")
@example(prompt="\u00a0 \u2003\u200b")
@example(prompt="ǅ İ ß ﬁ 한글 \U0001f408\u200d\u2b1b")
@example(prompt="photograph " * 30)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_ids_are_transformers(spec, folder, prompt):
    expected = reference(spec)(
        prompt, padding="max_length", truncation=True, max_length=spec.length
    )
    found = prompt_ids(prompt, spec=spec, folder=folder)
    np.testing.assert_array_equal(found, expected.input_ids)


def test_a_prompt_without_a_folder_is_refused():
    with pytest.raises(
        ValueError, match=r"'a cat' needs .*vocab\.json and merges\.txt"
    ):
        prompt_ids("a cat", spec=SD1)


def test_without_tokenizers_a_sentence_says_how_to_have_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    spec = dataclasses.replace(SD1, width=24)  # not yet read
    with pytest.raises(ImportError, match="pip install tokenizers"):
        prompt_ids("a cat", spec=spec, folder=folder)
    prompt_ids("", spec=spec, folder=folder)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_file_is_named(name, tmp_path):
    pytest.importorskip("tokenizers")
    write_vocabulary(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(WeightsError, match=rf"has no {name}\."):
        prompt_ids("a cat", spec=SD1, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vocab.json", b'{"a": 0, '),
        ("vocab.json", b"[1, 2]"),
        ("vocab.json", b'{"a": "b"}'),
        ("vocab.json", b"\xff\xfe\x00"),
        ("vocab.json", b""),
        ("merges.txt", b"#version: 0.2\nno_such token\n"),
        ("merges.txt", b"#version: 0.2\na\n"),
        ("merges.txt", b"\xff\xfe\x00"),
    ],
)
def test_a_damaged_file_is_named(name, content, tmp_path):
    pytest.importorskip("tokenizers")
    write_vocabulary(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{name}.*fetch them again|damaged"):
        prompt_ids("a cat", spec=SD1, folder=tmp_path)


def test_the_vocabulary_of_another_model_is_refused(folder):
    pytest.importorskip("tokenizers")
    with pytest.raises(
        WeightsError, match=r"another model: .* \(49406, 49407, 49408\)"
    ):
        prompt_ids("a cat", spec=TextEncoderSpec(), folder=folder)
