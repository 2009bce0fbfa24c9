"""Commands of the package in cells, whatever PATH a kernel was started with."""

import os
import sysconfig

from uhseg_jax.ipython.commands import find_commands


def test_commands_of_this_python_are_found_first_and_nothing_is_lost(monkeypatch):
    folder = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", "/usr/bin")
    find_commands()
    find_commands()
    assert os.environ["PATH"] == os.pathsep.join([folder, "/usr/bin"])
    monkeypatch.delenv("PATH")
    find_commands()
    assert os.environ["PATH"].startswith(folder + os.pathsep)
