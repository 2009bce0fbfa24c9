"""Hundreds of weight files of every format that are hostile, damaged or costly."""

import json
import os
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import flax.serialization
import flax.traverse_util
import numpy as np
import onnx
from safetensors.numpy import save, save_file

from tests.backbones.diffusion.diffusers_folder import MICRO, write_folder
from tests.backbones.hugging_face import TINY, hugging_face_tensors
from tests.backbones.torch_pickles import write_arrays, write_legacy, write_zip
from tests.campaigns import hostile_pickles
from tests.campaigns.hostile_archives import Hostile, archives, headers
from tests.campaigns.hostile_folders import folders

__all__ = ["MEMBER", "Hostile", "damaged", "hostile", "write_good"]

MEMBER = "tiny/weights.safetensors"


def write_good(folder: Path) -> None:
    """Writes a file of every format that converts; in a process of its own."""
    import orbax.checkpoint

    tensors = hugging_face_tensors(TINY)
    for suffix in (".pth", ".pt", ".bin", ".pth.tar"):
        legacy = suffix in (".pt", ".bin")
        write_arrays(folder / f"good{suffix}", tensors, legacy=legacy)
    save_file(tensors, folder / "good.safetensors")
    np.savez(folder / "good.npz", **tensors)
    (folder / "good.onnx").write_bytes(_onnx(tensors))
    names = [*tensors]
    weight_map = {}
    for part in (0, 1):
        file = f"part-{part}.safetensors"
        save_file({x: tensors[x] for x in names[part::2]}, folder / file)
        weight_map |= dict.fromkeys(names[part::2], file)
    index = folder / "good.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    tree = _flax(tensors)
    (folder / "good.msgpack").write_bytes(flax.serialization.msgpack_serialize(tree))
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "good_orbax", tree)
    with zipfile.ZipFile(folder / "good.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, save(tensors))
    write_folder(folder / "good_diffusers", MICRO)


def _onnx(tensors: dict[str, np.ndarray]) -> bytes:
    made = [onnx.numpy_helper.from_array(x, name) for name, x in tensors.items()]
    graph = onnx.helper.make_graph([], "weights", [], [], made)
    return onnx.helper.make_model(graph).SerializeToString()


def _flax(tensors: dict[str, np.ndarray]) -> dict[str, object]:
    """The tree of a Flax twin."""
    flat = {}
    for name, array in tensors.items():
        *path, last = name.split(".")
        if last == "weight":
            last = "scale" if array.ndim == 1 else "kernel"
            axes = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}[array.ndim]
            array = np.ascontiguousarray(array.transpose(axes))
        flat[(*path, last)] = array
    return flax.traverse_util.unflatten_dict(flat)


def hostile(folder: Path, good: Path, canary: Path, secret: Path) -> Iterator[Hostile]:
    """Files that were made to harm.

    Args:
      folder: to write into; each may be deleted before the next is asked for.
      good: the folder of `write_good`.
      canary: a file that hostile code makes.
      secret: a file outside that no weight file may lead to.
    """
    yield from _pickled(folder, canary)
    yield from archives(folder, canary, secret, MEMBER)
    yield from headers(folder)
    yield from folders(folder, good, secret)
    yield from _no_files(folder)


def _pickled(folder: Path, canary: Path) -> Iterator[Hostile]:
    """Pickles, in each of the containers that torch has."""
    kinds = (
        (hostile_pickles.calls(canary), True),
        (hostile_pickles.bombs(), False),
        (hostile_pickles.tensors(), True),
    )
    for found, is_refused in kinds:
        for number, (title, content) in enumerate(found):
            if number % 3 < 2:
                path = folder / "w.pth"
                write_zip(path, content, {"0": bytes(36)}, compression=8 * (number % 2))
            else:
                path = folder / "w.bin"
                write_legacy(path, content, {"0": (9, bytes(36))})
            yield path, f"{title} in {path.suffix}", is_refused
    for title, content in hostile_pickles.calls(canary):
        if "system" in title or "eval" in title:
            path = folder / "script.pt"
            _write_script(path, content)
            yield path, f"{title} in TorchScript", True
            path = folder / "bare.pth"
            path.write_bytes(content)
            yield path, f"{title} in a bare pickle", True


def _write_script(path: Path, content: bytes) -> None:
    """A TorchScript archive: pickles for the constants and the module, and code."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", content)
        archive.writestr("model/constants.pkl", content)
        archive.writestr("model/version", "3\n")
        code = "class M(Module):\n  def forward(self):\n    return 1\n"
        archive.writestr("model/code/__torch__.py", code)
        archive.writestr("model/data/0", bytes(36))


def _no_files(folder: Path) -> Iterator[Hostile]:
    """What stands where a file is expected, under the name of every format."""
    for suffix in (".pth", ".safetensors", ".npz", ".onnx", ".msgpack", ".whl"):
        fifo = folder / f"fifo{suffix}"
        os.mkfifo(fifo)
        yield fifo, "a FIFO", True
        device = folder / f"zero{suffix}"
        device.symlink_to("/dev/zero")
        yield device, "a device", True
        sparse = folder / f"sparse{suffix}"
        with sparse.open("wb") as file:
            file.truncate(200 * 10**9)
        yield sparse, "200 GB of nothing", True


def damaged(
    folder: Path, good: Path, rng: random.Random, count: int
) -> Iterator[Hostile]:
    """Good files that are cut off, overwritten in places, or named as another kind."""
    files = sorted(x for x in good.iterdir() if x.is_file() and x.name[:4] == "good")
    trees = sorted(x for x in good.iterdir() if x.is_dir())
    for _ in range(count):
        path = rng.choice([*files, *trees])
        if path.is_dir():
            copy = folder / path.name
            shutil.copytree(path, copy)
            inner = rng.choice(sorted(x for x in copy.rglob("*") if x.is_file()))
            title = f"{_damage(inner, rng)} {inner.relative_to(copy)}"
            yield copy, title, False
            continue
        suffix = path.name.removeprefix("good")
        title = "damaged"
        if rng.random() < 0.15:
            suffix = rng.choice(files).name.removeprefix("good")
            title = f"{path.suffix} named {suffix}"
        copy = folder / f"w{suffix}"
        shutil.copy(path, copy)
        if "index" in suffix:
            for part in good.glob("part-*"):
                shutil.copy(part, folder)
        if title == "damaged":
            title = _damage(copy, rng)
        yield copy, title, False


def _damage(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    if not data:
        path.write_bytes(rng.randbytes(64))
        return "filled"
    if rng.random() < 0.35:
        path.write_bytes(data[: rng.randrange(len(data))])
        return "cut off"
    end = rng.choice((16, 128, 1024, len(data)))
    for _ in range(rng.choice((1, 2, 5, 20))):
        data[rng.randrange(min(end, len(data)))] = rng.choice(
            (0, 255, rng.randrange(256))
        )
    path.write_bytes(data)
    return f"changed in the first {end} bytes"
