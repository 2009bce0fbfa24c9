"""Small disks and read-only ones, seen by this process and its children alone."""

import contextlib
import ctypes
import functools
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["can_mount", "mounted_tmpfs", "read_only"]

_NEW_MOUNTS = 0x20000  # CLONE_NEWNS
_ALONE = (1 << 14) | (1 << 18)  # MS_REC | MS_PRIVATE
_SIZE = "64m"


@functools.cache
def can_mount() -> bool:
    """Whether this process may mount; what it mounts nobody else sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) or libc.mount(b"none", b"/", None, _ALONE, None):
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted_tmpfs(Path(folder)):
                return True
        except subprocess.CalledProcessError:
            return False


@contextlib.contextmanager
def mounted_tmpfs(folder: Path) -> Iterator[None]:
    """A disk of its own at a folder, with what lay there."""
    with tempfile.TemporaryDirectory() as kept:
        subprocess.run(["cp", "-a", f"{folder}/.", kept], check=True)
        _mount("-t", "tmpfs", "-o", f"size={_SIZE},mode=755", "tmpfs", folder)
        try:
            subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
            yield
        finally:
            _unmount(folder)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Makes a folder that nobody can write to, whoever they are."""
    _mount("--bind", folder, folder)
    try:
        _mount("-o", "remount,ro,bind", folder)
        yield
    finally:
        _unmount(folder)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
