"""Images and label maps made ready for showing: their sizes, lines between regions."""

import base64
import io

import numpy as np
from PIL import Image

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import resize
from uhseg_jax.types import Bool, Int, Integer, UInt8

__all__ = ["boundaries", "fit", "jpeg_url", "require_same_size", "shrink"]


def require_same_size(
    image: UInt8[np.ndarray, "H W 3"], tree: RegionTree, name: str = "the image"
) -> None:
    """Raises ValueError unless the tree labels the pixels of this image."""
    if image.shape[:2] != tuple(tree.labels.shape):
        raise ValueError(
            f"{name}: expected a tree with labels at image size {image.shape[:2]}, but "
            f"they are {tuple(tree.labels.shape)}; segment with grid=False, or resize "
            "the image to the labels."
        )


def fit(
    image: UInt8[np.ndarray, "H W 3"],
    labels: Int[np.ndarray, "H W"],
    *,
    longest: int,
    shortest: int = 1,
) -> tuple[UInt8[np.ndarray, "h w 3"], Int[np.ndarray, "h w"]]:
    """Brings an image and its labels to a size for showing, keeping the aspect.

    Images with a side above ``longest`` are reduced (labels by nearest neighbour);
    those with no side as long as ``shortest`` are enlarged by an integer, so that
    their pixels stay squares.
    """
    side = max(image.shape[:2])
    if side > longest:
        height, width = (max(1, round(x * longest / side)) for x in image.shape[:2])
        rows, columns = (
            # The middle of every new pixel, in old pixels.
            ((np.arange(new) + 0.5) * old / new).astype(np.int64)
            for new, old in zip((height, width), image.shape[:2], strict=True)
        )
        return resize(image, (height, width)), labels[rows[:, None], columns]
    factor = -(-shortest // side)
    if factor == 1:
        return image, labels
    return _enlarged(image, factor), _enlarged(labels, factor)


def _enlarged(cells: np.ndarray, factor: int) -> np.ndarray:
    return cells.repeat(factor, axis=0).repeat(factor, axis=1)


def shrink(
    image: UInt8[np.ndarray, "H W 3"], longest: int
) -> UInt8[np.ndarray, "h w 3"]:
    """The image with sides of at most ``longest`` pixels, keeping the aspect."""
    scale = min(1, longest / max(image.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return resize(image, (height, width))


def jpeg_url(image: UInt8[np.ndarray, "h w 3"], *, quality: int) -> str:
    """An image as JPEG in a URL, for pages that are one file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def boundaries(
    labels: Integer[np.ndarray, "h w"], *, thickness: int = 1
) -> Bool[np.ndarray, "h w"]:
    """Marks pixels from which another region begins within ``thickness`` pixels.

    To the right, below and diagonally, so a line is ``thickness`` pixels wide.
    """
    below, beside = np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    np.not_equal(labels[1:], labels[:-1], out=below[:-1])
    np.not_equal(labels[:, 1:], labels[:, :-1], out=beside[:, :-1])
    # A square is of one region unless two pixels that touch in it differ.
    marked = _spread(below, thickness - 1, thickness)
    marked |= _spread(beside, thickness, thickness - 1)
    return marked


def _spread(
    marked: Bool[np.ndarray, "h w"], down: int, right: int
) -> Bool[np.ndarray, "h w"]:
    """Pixels from which a marked one lies so far below and to the right at the most."""
    for axis, reach in ((0, down), (1, right)):
        lines, spread = np.moveaxis(marked, axis, 0), marked.copy()
        out = np.moveaxis(spread, axis, 0)
        for step in range(1, min(reach, len(lines) - 1) + 1):
            out[:-step] |= lines[step:]
        marked = spread
    return marked
