"""The npz of a clip, which `VideoTree.load` reads, written and read frame by frame.

What it was made of stands first, as in the npz of an image.
"""

import contextlib
import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.clips.clip_format import AddFrame, for_each_clip
from uhseg_jax.export.exporter import Destination
from uhseg_jax.export.npz import NPZ
from uhseg_jax.export.result import Provenance
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.npy import read_npy_header
from uhseg_jax.types import Int

__all__ = ["CLIP_NPZ", "read_clip"]

_PATTERN = "{name}.npz"
_LABELS = "labels.npy"
_TREE = ("parents", "depths", "costs")
_MADE_OF = ("settings", "source")


@contextlib.contextmanager
def _open(
    destination: Destination, options: ClipOptions, clip: Clip
) -> Iterator[AddFrame]:
    del options
    file = _PATTERN.replace("{name}", clip.name)
    shape = (len(clip.names), *clip.size)
    with (
        destination.write(file, NPZ.is_own) as aside,
        zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, array in _small_arrays(clip).items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        with archive.open(_LABELS, "w", force_zip64=True) as member:
            header = {"descr": "<i4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(cast(BinaryIO, member), header)
            yield lambda frame: _write(frame, member)


def _write(frame: Frame, member: Any) -> None:
    member.write(np.ascontiguousarray(frame.labels, "<i4").tobytes())


def _small_arrays(clip: Clip) -> dict[str, np.ndarray]:
    """Everything but the labels."""
    made_of = clip.provenance
    said = {} if made_of is None else {x: getattr(made_of, x) for x in _MADE_OF}
    said |= {"title": clip.title, "names": list(clip.names)}
    tree = {
        name: np.asarray(getattr(clip.nodes, name), dtype)
        for name, dtype in zip(_TREE, ("<i4", "<i4", "<f4"), strict=True)
    }
    return {**{x: np.array(said[x]) for x in said}, "rate": np.array(clip.rate), **tree}


@dataclasses.dataclass(frozen=True)
class _StoredLabels:
    """The labels in an npz, one frame in memory at a time.

    Attributes:
      path: the file.
      shape: of all labels.
    """

    path: Path
    shape: tuple[int, int, int]

    def __iter__(self) -> Iterator[Int[np.ndarray, "H W"]]:
        size = self.shape[1:]
        with zipfile.ZipFile(self.path) as archive, archive.open(_LABELS) as member:
            read_npy_header(member)
            for _ in range(self.shape[0]):
                content = member.read(4 * size[0] * size[1])
                yield np.frombuffer(content, "<i4").reshape(size).astype(np.int32)


def read_clip(output: Path, name: str, provenance: Provenance) -> Clip | None:
    """The clip of an earlier run, if it can stand for a new one.

    Args:
      output: the folder of the run.
      name: what the files of the clip are called, without suffix.
      provenance: what a new one would be made of.

    Returns:
      The clip; None if there is none, or it was made of something else, or is damaged.
    """
    path = output / _PATTERN.replace("{name}", name)
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            if Provenance(*(str(file[x]) for x in _MADE_OF)) != provenance:
                return None
            with file.zip.open(_LABELS) as member:
                header = read_npy_header(member)
            if len(header.shape) != 3 or header.dtype != np.dtype("<i4"):
                return None
            if file.zip.testzip() is not None:
                return None
            arrays = {x: file[x] for x in _TREE}
            said = {x: file[x] for x in ("title", "rate", "names")}
    except Exception:  # a damaged archive fails in many ways
        return None
    count = len(arrays["parents"])
    nowhere = np.zeros(0, np.int32)
    if tree_file.fault_of(labels=nowhere, **arrays):
        return None
    tree = RegionTree(labels=nowhere, num_nodes=np.asarray(count, np.int32), **arrays)
    frames, height, width = header.shape
    names = tuple(map(str, said["names"].tolist()))
    if len(names) != frames:
        return None
    return Clip(
        name,
        str(said["title"]),
        float(said["rate"]),
        names,
        tree,
        _StoredLabels(path, (frames, height, width)),
        (height, width),
        provenance,
    )


def _is_there(output: Path, options: ClipOptions, clip: Clip) -> bool:
    del options
    return isinstance(clip.labels, _StoredLabels)  # it was read from there


CLIP_NPZ = for_each_clip(
    "npz",
    "CLIP.npz, the tree; without it later runs compute it again",
    _PATTERN,
    _open,
    _is_there,
    NPZ.is_own,
)
