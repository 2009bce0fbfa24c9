"""The processes that we start: Python alone, away from the folder of the user.

`python -m NAME` looks for NAME in the current folder first, so a file ``pip.py`` beside
someone's images would be run. A process of ours looks only where the environment of
Python says, and works in an empty folder; nor does it outlive us, however we end.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax.scratch import scratch_folder

__all__ = ["PACKAGE", "PACKAGE_PARENT", "ProcessError", "kill", "run_module", "start"]

PACKAGE = __package__.partition(".")[0]
PACKAGE_PARENT = str(Path(__file__).resolve().parents[1])

# What the process runs. Its standard input is a pipe that nobody writes to and whose
# other end we alone hold: the system closes that when we end, be it by SIGKILL, and
# then the process and those that it has started are killed.
_LAUNCHER = """
import os, runpy, signal, sys, threading
watch = os.dup(0)
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
def end_with_parent():
    os.read(watch, 1)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
threading.Thread(target=end_with_parent, daemon=True).start()
folder, module = sys.argv[1:3]
if folder:
    sys.path.append(folder)
sys.argv[:] = sys.argv[2:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class ProcessError(RuntimeError):
    """A process could not be started; the message is a sentence."""


def run_module(
    module: str,
    arguments: Sequence[str],
    *,
    stdout: int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
    place: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a module as a program, as ``python -m`` does, and waits for its end.

    Args:
      module: looked for where Python keeps its packages and in the absolute folders of
        ``PYTHONPATH``; never in the current folder. One of this package is the one that
        runs.
      arguments: the words after the name of the module.
      stdout: what `subprocess.run` takes: a file's number, or PIPE to return the text.
      environment: variables to set besides our own.
      place: where its empty folder and its temporary files lie; None for the folder of
        temporary files.

    Returns:
      The exit status and what the process said; standard error is always returned.

    Raises:
      ProcessError: there is no Python to start, or the system refuses.
    """
    # The launcher finds this package last, where it does not lie among the others.
    folder = PACKAGE_PARENT if module.split(".")[0] == PACKAGE else ""
    with scratch_folder(place) as scratch, _lifeline() as stdin:
        process = start(
            _LAUNCHER,
            [folder, module, *arguments],
            scratch=scratch,
            environment=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            said, complained = process.communicate()
        except BaseException:  # an interruption from the keyboard above all
            kill(process)
            raise
    return subprocess.CompletedProcess(
        process.args, process.returncode, said, complained
    )


def start(
    program: str,
    arguments: Sequence[str],
    *,
    scratch: Path,
    environment: Mapping[str, str] | None = None,
    **streams: Any,
) -> subprocess.Popen[Any]:
    """Starts Python with a program's text, in a session of its own.

    Args:
      program: what it runs; it has to see to its end when we end.
      arguments: of the program.
      scratch: the empty folder where it works and keeps temporary files.
      environment: variables to set besides our own.
      **streams: as `subprocess.Popen` takes them.

    Raises:
      ProcessError: there is no Python to start, or the system refuses.
    """
    if not sys.executable:
        raise ProcessError("This Python does not say where its program file lies.")
    # -P rather than -I: people have pip in their own site folder or on PYTHONPATH.
    command = [sys.executable, "-P", "-c", program, *arguments]
    try:
        return subprocess.Popen(
            command,
            cwd=scratch,
            env=_environment(scratch) | dict(environment or {}),
            start_new_session=True,
            **streams,
        )
    except OSError as error:
        raise ProcessError(
            f"{sys.executable} could not be started: {error.strerror}."
        ) from error


def kill(process: subprocess.Popen[Any]) -> None:
    """Ends a process that `start` gave and those that it has started, and waits.

    One that has been waited for is left alone: its number may be another's by now.
    """
    if process.returncode is not None:
        return
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _environment(scratch: Path) -> dict[str, str]:
    """Our variables, without folders that are named from where one stands."""
    kept = dict(os.environ)
    for name in ("PYTHONPATH", "PATH"):
        if name in kept:
            folders = kept[name].split(os.pathsep)
            kept[name] = os.pathsep.join(x for x in folders if os.path.isabs(x))
    if not kept.get("PYTHONPATH", "set"):
        del kept["PYTHONPATH"]
    return kept | {"TMPDIR": str(scratch)}


@contextlib.contextmanager
def _lifeline() -> Iterator[int]:
    """The end of a pipe to read from; the other is closed when the block or we end."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)
