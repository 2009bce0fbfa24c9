"""A page on which somebody points at a patch and sees what it is joined to."""

import base64
import importlib.resources
import json

import jax.numpy as jnp
import matplotlib
import numpy as np
import numpy.typing as npt

from uhseg_jax.entry import entry_point
from uhseg_jax.export.notebook import Shown
from uhseg_jax.export.panels import jpeg_url, shrink
from uhseg_jax.features import at_unit_length, checked_features
from uhseg_jax.images import ImageLike, read_image
from uhseg_jax.spectral.affinity import CosineAffinity
from uhseg_jax.validators import check, integer

__all__ = ["show_affinity"]

_LONGEST, _QUALITY = 640, 85
_STEPS = 127  # of the largest entry, into which vectors are rounded
_PALETTE = "magma"


@entry_point
def show_affinity(
    features: npt.ArrayLike,
    image: ImageLike,
    *,
    patch: tuple[int, int] | None = None,
    height: int = 460,
) -> Shown:
    """The affinity graph of an image's patches, to point at, in a notebook's cell.

    The weights of all edges of the patch under the pointer are drawn beside the image:
    the cosine similarities of `spectral.affinity.CosineAffinity`, stretched to the
    range from 0 to 1. The page computes them itself, without a kernel.

        >>> features = uhseg_jax.extract_features("photo.jpg")  # doctest: +SKIP
        >>> show_affinity(features, "photo.jpg")  # doctest: +SKIP

    Args:
      features: ``[h, w, d]`` over the whole image, of any backbone.
      image: what they are of, as for `uhseg_jax.segment`.
      patch: (row, column) of the patch that is shown at first; None: the middle.
      height: of the cell, in CSS pixels; at least 100.

    Returns:
      What notebooks display; ``save(path)`` writes the page for a browser.

    Raises:
      ValueError: features of another shape, or not finite; or there is no such patch,
        or the height is below 100.
      images.ImageError: the image cannot be read.
    """
    unit = at_unit_length(checked_features(features, batched=False))
    rows, columns, channels = unit.shape
    row, column = (rows // 2, columns // 2) if patch is None else patch
    if not (0 <= row < rows and 0 <= column < columns):
        raise ValueError(
            f"expected a patch of the {rows} x {columns} that there are, counted from "
            f"0, but got {patch}."
        )
    flat = jnp.asarray(unit.reshape(rows * columns, channels))
    graph = CosineAffinity.from_features(flat)
    vectors = np.asarray(graph.principal)
    largest = float(np.abs(vectors).max(initial=0)) or 1.0
    pixels = read_image(image)
    numbers = {
        "rows": rows,
        "columns": columns,
        "channels": vectors.shape[1],
        "unit": largest / _STEPS,
        "farthest": 0.0 if graph.is_constant else float(graph.max_distance),
        "start": row * columns + column,
    }
    colors = matplotlib.colormaps[_PALETTE](np.arange(256), bytes=True)[:, :3]
    content = {
        "numbers": json.dumps(numbers),
        "vectors": _text(np.rint(vectors * (_STEPS / largest)).astype(np.int8)),
        "palette": _text(colors),
        "image": jpeg_url(shrink(pixels, _LONGEST), quality=_QUALITY),
        "height": str(pixels.shape[0]),
        "width": str(pixels.shape[1]),
    }
    page = (importlib.resources.files(__package__) / "affinity.html").read_text("utf-8")
    for name, value in content.items():
        page = page.replace(f"{{{{{name}}}}}", value)
    return Shown(page, check("height", height, integer(100)), "Affinity of a patch")


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
