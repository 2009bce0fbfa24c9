"""What is started for us: from nowhere near the user's files, and never for longer."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from own_processes import is_running, wait_for

from uhseg_jax import processes
from uhseg_jax.processes import run_module

# Any module of Python's own that runs what it is told.
RUNNER, OPTIONS = "timeit", ("-n1", "-r1")

# A parent that starts a process without importing the whole package.
PARENT = """
import sys, types
package = types.ModuleType("uhseg_jax")
package.__path__ = [sys.argv[1]]
sys.modules["uhseg_jax"] = package
from uhseg_jax.processes import run_module
run_module(sys.argv[2], sys.argv[3:])
"""


@pytest.fixture
def beside_images(tmp_path, monkeypatch) -> Path:
    """A current folder with modules and programs that say that they were run."""
    folder = tmp_path / "images"
    (folder / "pip").mkdir(parents=True)
    for name in ("timeit.py", "nowhere.py", "sitecustomize.py", "pip/__main__.py"):
        (folder / name).write_text(f"open({str(folder / 'RUN')!r}, 'w')")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", "../images"]))
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", os.environ["PATH"]]))
    return folder


def test_nothing_in_the_current_folder_is_run(beside_images):
    before = sorted(beside_images.rglob("*"))
    shown = "os.getcwd(), os.listdir('.'), sys.flags.safe_path, os.environ['PATH']"
    statement = f"import os, sys; print({shown})"
    found = run_module(RUNNER, [*OPTIONS, statement])
    folder, listed, is_safe, path = found.stdout.splitlines()[0].split(" ", 3)
    assert found.returncode == 0
    assert folder != str(beside_images)
    assert (listed, is_safe) == ("[]", "True")
    assert all(map(os.path.isabs, path.split(os.pathsep)))
    assert not os.path.exists(folder)
    missing = run_module("nowhere", [])
    assert missing.returncode != 0
    assert "No module named nowhere" in missing.stderr
    assert sorted(beside_images.rglob("*")) == before


def sleeper(file: Path) -> list[str]:
    """Arguments of a process that writes its number and then sleeps."""
    writes = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid()))"
    return [RUNNER, *OPTIONS, f"{writes}; os.wait() if os.fork() else time.sleep(60)"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are in /proc")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_with_its_parent(ending, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    file = tmp_path / "number"
    package = str(Path(processes.__file__).parent)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, package, *sleeper(file)],
        stderr=subprocess.DEVNULL,
    )
    assert wait_for(lambda: file.exists() and file.read_text())
    number = int(file.read_text())
    group = [
        int(x.name)
        for x in Path("/proc").iterdir()
        if x.name.isdigit() and is_running(int(x.name)) and _group(x) == number
    ]
    assert number in group
    parent.send_signal(ending)
    parent.wait(20)
    assert wait_for(lambda: not any(map(is_running, group)))


def _group(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:
        return 0
