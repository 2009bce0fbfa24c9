"""Methods in files of users: FILE.py:FUNCTION, what counts for it, and its errors."""

import sys
import textwrap

import numpy as np
import pytest

import uhseg_jax
from uhseg_jax import own_code
from uhseg_jax.images import ImageError
from uhseg_jax.methods import METHODS

FEATURES = np.random.default_rng(0).normal(size=(4, 6, 8)).astype(np.float32)


HALVES = """\
import numpy as np

def segment(features, column: int = 3):
    labels = np.zeros(features.shape[:2], int)
    labels[:, column:] = 1
    return labels
"""

WRAPPER = """\
def wrapped(function):
    return lambda features: function(features)
"""

ELSEWHERE = {
    "partial": """
        import functools

        def of_features(features, k, column=3):
            return features[..., 0] > k

        segment = functools.partial(of_features, k=0)
        """,
    "wrapped": """
        from own_wrapper import wrapped

        k = 0

        @wrapped
        def segment(features):
            return features[..., 0] > k
        """,
}

FILES = {
    "syntax": ("x = 1\ndef segment(features:\n", r"mine\.py, line 2: SyntaxError"),
    "import": ("x = 1\n\nimport nowhere_to_be_found\n", r"line 3: ModuleNotFoundError"),
    "name": ("def segmemt(features): ...\n", "Did you mean 'segmemt'"),
    "nothing": ("segment = 3\n", "expected a function segment, .* There are none"),
    "exit": ("raise SystemExit\n", "line 1: SystemExit"),
    "parameters": ("def segment(features, k): ...\n", r"mine\.py:.*segment: .* 'k'"),
}


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"

    def write(text):
        path.write_text(textwrap.dedent(text))
        return f"{path}:segment"

    return write


def test_a_file_and_a_function_are_the_name_of_a_method(mine, monkeypatch, tmp_path):
    name = mine(HALVES)
    method = METHODS.find(name)
    assert method.name == "mine.py:segment"
    assert METHODS.find(name) is method  # the file is run once
    tree = uhseg_jax.segment_features(FEATURES, method=name)
    np.testing.assert_array_equal(tree.labels, 1 + (np.indices((4, 6))[1] >= 3))
    monkeypatch.chdir(tmp_path)
    assert METHODS.find("mine.py:segment").code_sha256 == method.code_sha256
    mine(HALVES + "\n")
    assert METHODS.find(name).code_sha256 != method.code_sha256


@pytest.mark.parametrize("line", ["import own_helper", "from own_helper import COLUMN"])
def test_files_beside_it_can_be_imported_and_count(mine, tmp_path, monkeypatch, line):
    monkeypatch.setitem(sys.modules, "own_helper", None)  # gone when the test ends
    del sys.modules["own_helper"]
    (tmp_path / "own_helper.py").write_text("COLUMN = 2\n")
    (tmp_path / "unused.py").write_text("COLUMN = 2\n")
    name = mine(f"{line}\n{HALVES}")
    path = [*sys.path]
    before = METHODS.find(name).code_sha256
    assert sys.path == path
    own_code.forget()
    (tmp_path / "unused.py").write_text("COLUMN = 3\n")
    assert METHODS.find(name).code_sha256 == before
    own_code.forget()
    (tmp_path / "own_helper.py").write_text("COLUMN = 3\n")
    assert METHODS.find(name).code_sha256 != before


def test_what_python_brings_does_not_count(mine, tmp_path, monkeypatch):
    name = mine("import own_standard\n" + HALVES)
    monkeypatch.setitem(sys.modules, "own_standard", None)
    del sys.modules["own_standard"]
    library = tmp_path / "lib"
    library.mkdir()
    monkeypatch.syspath_prepend(library)
    monkeypatch.setattr("sysconfig.get_path", lambda *_, **__: str(library))
    (library / "own_standard.py").write_text("COLUMN = 2\n")
    before = METHODS.find(name).code_sha256
    own_code.forget()
    (library / "own_standard.py").write_text("COLUMN = 3\n")
    assert METHODS.find(name).code_sha256 == before


@pytest.mark.parametrize("text", ELSEWHERE)
def test_the_file_that_is_named_counts_whatever_its_function_is(
    mine, tmp_path, monkeypatch, text
):
    monkeypatch.setitem(sys.modules, "own_wrapper", None)
    del sys.modules["own_wrapper"]
    wrapper = tmp_path / "own_wrapper.py"
    wrapper.write_text(WRAPPER)
    name = mine(ELSEWHERE[text])
    method = METHODS.find(name)
    tree = uhseg_jax.segment_features(FEATURES, method=name)
    np.testing.assert_array_equal(tree.labels == 2, FEATURES[..., 0] > 0)
    mine(ELSEWHERE[text].replace("> k", ">= k"))
    edited = METHODS.find(name).code_sha256
    assert edited != method.code_sha256
    own_code.forget()
    wrapper.write_text(WRAPPER + "\n")
    assert (METHODS.find(name).code_sha256 == edited) == (text == "partial")


def test_errors_of_a_partial_name_its_file_and_line(mine):
    name = mine(ELSEWHERE["partial"].replace("> k", "@ k"))
    with pytest.raises(ImageError, match=r"mine\.py, line 5: ValueError"):
        uhseg_jax.segment_features(FEATURES, method=name)


@pytest.mark.parametrize("file", FILES)
def test_files_without_a_method_are_refused_with_the_line(mine, file):
    text, words = FILES[file]
    with pytest.raises(ValueError, match=words):
        METHODS.find(mine(text))


def test_a_file_that_is_not_there_and_half_a_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"No such file .* check the path"):
        METHODS.find(f"{tmp_path}/mine.py:segment")
    for name in ("mine.py", "mine.py:", "mine.py:a b"):
        with pytest.raises(
            ValueError,
            match=r"expected FILE\.py:NAME, a file and the name of a function",
        ):
            METHODS.find(name)
    with pytest.raises(ValueError, match="unknown method 'mine:segment'"):
        METHODS.find("mine:segment")


def test_errors_of_a_function_name_its_file_and_line(mine):
    name = mine(
        """
        import numpy as np
        def helper(features):
            return np.linalg.inv(features)

        def segment(features):
            return helper(features)
        """
    )
    with pytest.raises(ImageError, match=r"mine\.py, line 4: LinAlgError: .*segment"):
        uhseg_jax.segment_features(FEATURES, method=name)


def test_errors_while_jax_traces_name_the_line_too(mine):
    name = mine(
        """
        import jax

        @jax.jit
        def segment(features):
            doubled = 2 * features
            return doubled @ doubled
        """
    )
    with pytest.raises(ImageError, match=r"mine\.py, line 7: TypeError: dot_general"):
        uhseg_jax.segment_features(FEATURES, method=name)
