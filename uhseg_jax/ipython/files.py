"""Images that come into a notebook and files that go out of it, in Colab or not."""

import importlib
import os
from pathlib import Path
from typing import Any

from uhseg_jax.errors import SentenceError
from uhseg_jax.images import read_image
from uhseg_jax.registry import suggest
from uhseg_jax.types import Pixels

__all__ = ["choose_image", "offer_file"]

# Those that scikit-image brings, without a download.
_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "rocket")


def choose_image(image: str, *, upload: bool = False) -> Pixels:
    """The pixels of an image by its name, of its file, or that somebody uploads.

        >>> choose_image("astronaut").shape
        (512, 512, 3)

    Args:
      image: "astronaut", "chelsea", "coffee", "hubble_deep_field" or "rocket", which
        scikit-image has, or the path of a file.
      upload: asks for a file in place of that, which only Colab can.

    Raises:
      images.ImageError: there is no such file, or it is no image.
      SentenceError: nothing can be uploaded here, or nothing was.
    """
    if upload:
        return _uploaded()
    if image in _PHOTOGRAPHS:
        import skimage.data

        return read_image(getattr(skimage.data, image)())
    if not Path(image).exists() and not Path(image).suffix:
        raise SentenceError(
            f"{image!r}: expected the path of an image, or one of "
            f"{', '.join(_PHOTOGRAPHS)}.{suggest(image, _PHOTOGRAPHS)}"
        )
    return read_image(image)


def offer_file(path: str | os.PathLike[str]) -> Any:
    """Hands a file to the browser: Colab saves it, elsewhere a cell shows a link.

    Raises:
      FileNotFoundError: there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: there is no such file to offer.")
    colab = _colab_files()
    if colab is not None:
        return colab.download(os.fspath(path))
    # Jupyter serves what lies below the notebook.
    near = os.path.relpath(path)
    return importlib.import_module("IPython.display").FileLink(near)


def _uploaded() -> Pixels:
    colab = _colab_files()
    if colab is None:
        raise SentenceError(
            "Files can be uploaded in Colab alone; here give the path of an image, "
            "without upload."
        )
    files = colab.upload()
    if not files:
        raise SentenceError("No file was uploaded; run the cell again and choose one.")
    name, content = next(iter(files.items()))
    return read_image(content, name=name)


def _colab_files() -> Any:
    """Colab's module of files; None elsewhere."""
    try:
        return importlib.import_module("google.colab.files")
    except ImportError:
        return None
