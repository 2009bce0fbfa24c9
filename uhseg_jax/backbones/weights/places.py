"""Which files are read: regular ones, in the folder where they were looked for.

Folders of weights come from others. A link in one can lead to a private file, whose
content a checkpoint would then show to everybody; a FIFO waits for ever.
"""

import os
import stat
from pathlib import Path

from uhseg_jax.backbones.weights.errors import WeightsError

__all__ = ["is_plain_file", "list_files", "require_there", "require_within"]

_MOST_FILES = 100_000


def is_plain_file(path: Path) -> bool:
    """Whether there is a regular file under that very name, not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def require_there(path: Path) -> None:
    """Refuses what is neither a folder nor a regular file, or a link to one.

    Raises:
      WeightsError: it is missing, a FIFO or a device.
    """
    if path.is_dir() or path.is_file():
        return
    if os.path.lexists(path):
        raise WeightsError(
            f"{path} is no regular file (a FIFO, a device or a link to nothing, say); "
            "expected a file of weights."
        )
    raise WeightsError(f"There is no weight file at {path}.")


def require_within(folder: Path, name: str) -> Path:
    """A file below a folder, which may be a link only to others in it.

    The hub's client keeps a model as links from ``snapshots/REVISION/`` to ``blobs/``,
    which count as one folder.

    Args:
      folder: what the user named.
      name: of a file below it.

    Raises:
      WeightsError: the file lies elsewhere, or is no regular file.
    """
    path = folder / name
    real, home = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    homes = [home]
    if "snapshots" in home.parts:
        above = [x.parent for x in (home, *home.parents) if x.name == "snapshots"]
        homes.append(above[0] / "blobs")
    if not any(real.is_relative_to(x) for x in homes):
        raise WeightsError(
            f"{path} is a link to a file outside {folder} and was not read; put the "
            "file itself there."
        )
    require_there(path)
    return path


def list_files(folder: Path) -> list[Path]:
    """All files below a folder, in order.

    Raises:
      WeightsError: it holds a link, or what is no regular file, or files without end.
      OSError: it cannot be listed.
    """
    found: list[Path] = []
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path))
                else:
                    raise WeightsError(
                        f"{entry.path} is a link or no regular file; expected a "
                        "folder of files alone."
                    )
                if len(found) + len(folders) > _MOST_FILES:
                    raise WeightsError(
                        f"{folder} holds more than {_MOST_FILES:,} files; expected "
                        "the folder of one model."
                    )
    return sorted(found)
