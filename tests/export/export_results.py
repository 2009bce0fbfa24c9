"""Results to export."""

import base64
import io

import numpy as np
from PIL import Image

from uhseg_jax.export import Result


def result_of(tree, title="0.jpg", *, name="0", gray=None, **more):
    """A tree with noise, or with one grey, for its image."""
    shape = (*tree.labels.shape, 3)
    if gray is None:
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    else:
        pixels = np.full(shape, gray, np.uint8)
    return Result(name, title, pixels, tree, **more)


def decoded(url):
    """The pixels of a JPEG in a URL."""
    kind, data = url.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.array(image)
