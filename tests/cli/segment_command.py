"""The command that segments, called on small photographs, and what it leaves."""

import zipfile

import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from small_runs import PRESET

from uhseg_jax.cli.segment import main
from uhseg_jax.hierarchy.tree import RegionTree

NAMES = ("one", "sub/deep/three", "sub/two")
TITLES = ["one.png", "sub/deep/three.png", "sub/two.jpg"]


def segment(*arguments, output):
    flags = (f"--output={output}", *PRESET)
    return main(["uhseg-segment", *flags, *map(str, arguments)])


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def times(folder, *suffixes):
    paths = (p for p in folder.rglob("*.*") if not suffixes or p.suffix in suffixes)
    return {p: p.stat().st_mtime_ns for p in paths}


def contents(folder):
    return {p.relative_to(folder): content(p) for p in folder.rglob("*.*")}


def content(path):
    """The bytes of a file; of a tree without the way to its image."""
    if path.suffix != ".npz" or not zipfile.is_zipfile(path):
        return path.read_bytes()
    with np.load(path) as file:
        return {x: file[x].tobytes() for x in file.files if x != "image"}


def labels(path):
    return np.asarray(RegionTree.load(path).labels)


def width(path):
    with Image.open(path) as image:
        image.load()
        return image.width


def names_listed(folder):
    """The images of coco.json, which are those of index.html."""
    coco = COCO(folder / "coco.json")
    page = (folder / "index.html").read_text()
    names = [image["file_name"] for image in coco.loadImgs(coco.getImgIds())]
    assert names == [x.split('"')[0] for x in page.split('data-name="')[1:]]
    return names
