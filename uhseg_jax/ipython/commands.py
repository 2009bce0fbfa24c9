"""Commands of the package in cells: ``!uhseg-segment photos/``."""

import os
import sysconfig

__all__ = ["find_commands"]


def find_commands() -> None:
    """Lets ``!`` find the commands that were installed with this Python.

    Kernels are started with any ``PATH``, often without their own folder of commands.
    """
    folder = sysconfig.get_path("scripts")
    paths = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folder not in paths:
        os.environ["PATH"] = os.pathsep.join([folder, *paths])
