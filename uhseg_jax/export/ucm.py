"""Ultrametric contour maps as files: a PNG to look at, an npz, and a mat of MATLAB.

The last two hold ``ucm2`` of twice the size, as the BSDS500 benchmark and its
successors read it; the PNG is that map at the size of the image, as the benchmark reads
boundaries.
"""

import functools
import io
import os
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from uhseg_jax.export.exporter import ImageFile, for_each_image
from uhseg_jax.export.npz import begins_with
from uhseg_jax.export.png_files import encoded, png_file
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.types import Float

__all__ = ["UCM"]

_ARRAY = "ucm2"  # what the benchmark calls it
_MARK = "uhseg_jax"  # name of the array of an npz that says how it was made
_HEADER = "MATLAB 5.0 MAT-file, uhseg_jax "
_HEADER_BYTES = 116  # of text, before the version
_MOST_BYTES = 2**31  # of an array in such a file, not reached


def _note(options: ExportOptions) -> str:
    return options.note("contours of strength 1 - cost")


def _render(result: Result, options: ExportOptions) -> list[bytes]:
    height, width = result.tree.labels.shape
    if 8 * (2 * height + 1) * (2 * width + 1) >= _MOST_BYTES:
        raise ValueError(
            f"{result.title}: expected an image of less than 67 megapixels, whose "
            f"contours fit into a mat file, but it is {height} x {width} pixels; leave "
            "out the format ucm, and take RegionTree.load(...).ultrametric()."
        )
    contours = result.pruned(options)[0].ultrametric()
    note = result.note(_note(options))
    gray = np.rint(255 * contours.image()).astype(np.uint8)
    return [
        encoded(Image.fromarray(gray, "L"), note),
        tree_file.encode(**{_MARK: np.array(note), _ARRAY: contours.edges}),
        _mat(contours.edges, note),
    ]


def _mat(edges: Float[np.ndarray, "H2 W2"], note: str) -> bytes:
    """A mat file with the mark in place of the date in its header."""
    file = io.BytesIO()
    scipy.io.savemat(file, {_ARRAY: edges}, do_compression=True)
    file.seek(0)
    file.write(_header(note))
    return file.getvalue()


def _header(note: str) -> bytes:
    return f"{_HEADER}{note}".encode().ljust(_HEADER_BYTES)


def _is_good_npz(path: Path, result: Result, options: ExportOptions) -> bool:
    note = result.note(_note(options))
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return str(file[_MARK]) == note and file[_ARRAY].size > 0
    except Exception:  # a damaged archive fails in many ways
        return False


def _is_good_mat(path: Path, result: Result, options: ExportOptions) -> bool:
    header = _header(result.note(_note(options)))
    try:
        return _begins(path, header) and scipy.io.loadmat(path)[_ARRAY].size > 0
    except Exception:  # as above
        return False


def _begins(path: str | os.PathLike[str], text: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(text)) == text


def _is_own_mat(path: Path) -> bool:
    try:
        return _begins(path, _HEADER.encode())
    except OSError:
        return False


UCM = for_each_image(
    "ucm",
    "contours with their strengths, PNG, npz and mat",
    [
        png_file(".ucm.png", _note),
        ImageFile(".ucm.npz", _is_good_npz, functools.partial(begins_with, name=_MARK)),
        ImageFile(".ucm.mat", _is_good_mat, _is_own_mat),
    ],
    _render,
    needs_pixels=False,
    holds_regions=False,
)
