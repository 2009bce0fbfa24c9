"""The folders of a campaign: a person's files, a home, temporary files, results.

What lies in `Sandbox.user` and `Sandbox.home` is the person's: no run may change it.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.campaigns.children import Place

__all__ = ["CANARY", "Sandbox", "age", "contents", "damage", "digest", "opened"]

CANARY = "executed"  # a file of this name in the sandbox: foreign code was run
# Modules that a careless process would import from the current folder.
_DECOYS = ("pip", "json", "numpy", "sitecustomize", "usercustomize", "uhseg_jax")


@dataclasses.dataclass(frozen=True)
class Sandbox:
    """The folders of one campaign.

    Attributes:
      root: the folder that holds all others.
    """

    root: Path

    @property
    def user(self) -> Path:
        """A person's files, and the current folder of runs."""
        return self.root / "user"

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        """The folder for temporary files."""
        return self.root / "tmp"

    @property
    def cache(self) -> Path:
        """The folder of converted weights."""
        return self.root / "cache"

    def output(self, name: str) -> Path:
        """A folder for results, which is not there yet."""
        path = self.root / "results" / name
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(exist_ok=True)
        return path

    def place(self, **others: str | None) -> Place:
        """Where a run happens: among the person's files.

        Args:
          others: variables of the environment.
        """
        env = {
            "HOME": str(self.home),
            "UHSEG_CACHE": str(self.cache),
            "XDG_CACHE_HOME": None,
            "MPLCONFIGDIR": str(self.root / "matplotlib"),
            "HF_HOME": str(self.root / "hub"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PYTHONPATH": None,
            **others,
        }
        return Place(self.user, self.tmp, env)

    def digest(self) -> str:
        """Of all that is the person's."""
        return digest([self.user, self.home])

    def leftovers(self) -> list[str]:
        """What lies in the folder for temporary files, and whether code was run."""
        found = [f"left in the temporary folder: {x.name}" for x in self.tmp.iterdir()]
        if (self.root / CANARY).exists():
            found.append("foreign code was run")
            (self.root / CANARY).unlink()
        for path in self.tmp.iterdir():
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True) if not path.is_dir() else None
        return found


@contextlib.contextmanager
def opened(work: Path | None) -> Iterator[Sandbox]:
    """Makes a sandbox, and removes it afterwards.

    Args:
      work: the folder to make it in; None for the temporary folder.
    """
    root = Path(tempfile.mkdtemp(prefix="uhseg-campaign-", dir=work)).resolve()
    root.chmod(0o755)
    sandbox = Sandbox(root)
    try:
        for folder in (sandbox.user, sandbox.home, sandbox.tmp):
            folder.mkdir()
        for name in _DECOYS:
            text = f"open({str(root / CANARY)!r}, 'w').close()\n"
            (sandbox.user / f"{name}.py").write_text(text)
        (sandbox.user / "letter.txt").write_text("nobody may change this\n")
        yield sandbox
    finally:
        shutil.rmtree(root, ignore_errors=True)


def digest(folders: Iterable[Path]) -> str:
    """SHA-256 over names, kinds, permissions and contents of all below some folders."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            mode = path.lstat().st_mode
            found.update(os.fsencode(path) + f" {mode:o}\n".encode())
            if stat.S_ISLNK(mode):
                found.update(os.fsencode(os.readlink(path)))
            elif stat.S_ISREG(mode):
                found.update(path.read_bytes())
    return found.hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a finished run by their names, but for journals and hidden files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix != ".jsonl"
        and not any(x.startswith(".") for x in path.relative_to(folder).parts)
    }


def damage(folder: Path) -> list[str]:
    """Files under the name of a result that are not whole, as sentences."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            try:
                _require_whole(path)
            except Exception as error:
                name = path.relative_to(folder)
                found.append(f"{name} is not whole ({error!r:.100})")
    return found


def _require_whole(path: Path) -> None:
    """Raises an exception for a file that is half written."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            for name in file.files:
                file[name]
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
    elif path.suffix == ".html":
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    elif path.suffix == ".csv":
        assert path.read_text(encoding="utf-8").endswith("\n")
    elif path.suffix == ".jsonl":  # a kill may cut the last line off
        *lines, _ = path.read_bytes().split(b"\n")
        whole = [x for x in lines if x.startswith(b"{") and x.endswith(b"}")]
        assert len(whole) >= len(lines) - 10


def age(folder: Path, days: float = 2.0) -> None:
    """Makes temporary files look as if they were left long ago."""
    before = time.time() - days * 86400
    for path in folder.rglob("*"):
        if folder.name == "tmp" or ".part" in path.name or ".part" in str(path.parent):
            os.utime(path, (before, before), follow_symlinks=False)
