"""The command that exports, called, and what it wrote."""

import numpy as np
from PIL import Image

from uhseg_jax.cli.export import main

NAMES = ("one", "sub/deep/three", "sub/two")  # of the results of a finished run


def export(*arguments, output):
    return main(["uhseg-export", *map(str, arguments), f"--output={output}"])


def files(folder):
    found = (p for p in folder.rglob("*") if p.is_file())
    return sorted(p.relative_to(folder).as_posix() for p in found)


def labels(path):
    with Image.open(path) as image:
        return np.array(image)
