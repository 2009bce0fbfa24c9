"""Folders of weights that lead elsewhere, or ask for much."""

import itertools
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.campaigns.hostile_archives import Hostile

__all__ = ["folders"]

_GIGABYTE = 1 << 30


def folders(folder: Path, good: Path, secret: Path) -> Iterator[Hostile]:
    """Folders of Orbax and of diffusers that lead elsewhere or ask for much."""

    def copy(name: str) -> Path:
        shutil.rmtree(folder / name, ignore_errors=True)
        return Path(shutil.copytree(good / name, folder / name))

    for target, title in (
        ("/dev/zero", "a device"),
        (str(secret), "a private file"),
        ("..", "its parent"),
    ):
        path = copy("good_orbax")
        for name in ("_METADATA", "manifest.ocdbt"):
            (path / name).unlink(missing_ok=True)
            (path / name).symlink_to(target)
        yield path, f"Orbax, links to {title}", True
    path = copy("good_orbax")
    (path / "_METADATA").unlink()
    os.mkfifo(path / "_METADATA")
    yield path, "Orbax, a FIFO as _METADATA", True
    text = (good / "good_orbax" / "_METADATA").read_text()
    first = json.loads(text)["tree_metadata"]
    key = next(iter(first))
    for name in ("/etc/passwd", "../../secret", "a/../../b", "", ".", "x" * 5000):
        path = copy("good_orbax")
        tree = json.loads(text)
        entry = tree["tree_metadata"].pop(key)
        entry["key_metadata"] = [{"key": name, "key_type": 2}]
        tree["tree_metadata"][f"('{name}',)"] = entry
        (path / "_METADATA").write_text(json.dumps(tree))
        yield path, f"Orbax, an array named {name[:20]!r}", True
    path = copy("good_orbax")
    (path / "_METADATA").write_text("[" * 200_000)
    yield path, "Orbax, deep metadata", True
    path = copy("good_orbax")
    (path / "_METADATA").write_text(
        text.replace('"write_shape": [', '"write_shape": [9')
    )
    yield path, "Orbax, other shapes", False
    for beside in ("/etc/passwd", str(secret), "../secret", "fifo"):
        path = folder / "own"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        shutil.copytree(good / "good_orbax", path / "params")
        os.mkfifo(path / "fifo")
        fields = ("variant", "source", "source_sha256", "params_sha256", "files_sha256")
        manifest = {**dict.fromkeys(fields, "x"), "beside": {beside: "0" * 64}}
        (path / "manifest.json").write_text(json.dumps(manifest))
        yield path, f"a manifest with {beside[-20:]!r} beside", True
    yield from _diffusers(copy, secret)


def _diffusers(copy: Callable[[str], Path], secret: Path) -> Iterator[Hostile]:
    for part, kind in itertools.product(("unet", "vae", "text_encoder"), range(4)):
        path = copy("good_diffusers")
        (file,) = (path / part).iterdir()
        file.unlink()
        if kind == 0:
            os.mkfifo(file)
        elif kind == 1:
            file.symlink_to("/dev/zero")
        elif kind == 2:
            file.symlink_to(secret)
        else:
            file.write_bytes(struct.pack("<Q", 2**40) + zlib.compress(bytes(1000)))
        what = ("a FIFO", "a device", "a private file", "a claim")[kind]
        yield path, f"diffusers, {part} is {what}", True
    path = copy("good_diffusers")
    (path / "tokenizer").mkdir()
    for name in ("vocab.json", "merges.txt"):
        (path / "tokenizer" / name).symlink_to(secret)
    yield path, "diffusers, a tokenizer that is a link", False
    path = copy("good_diffusers")
    (path / "tokenizer").symlink_to(secret.parent)
    yield path, "diffusers, a folder that is a link", False
    path = copy("good_diffusers")
    (path / "tokenizer").mkdir()
    for name in ("vocab.json", "merges.txt"):
        with (path / "tokenizer" / name).open("wb") as file:
            file.truncate(2 * _GIGABYTE)
    yield path, "diffusers, a tokenizer of 4 GB", False
