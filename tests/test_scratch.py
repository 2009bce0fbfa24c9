import os
import signal
import subprocess
import sys
from pathlib import Path

from uhseg_jax import scratch
from uhseg_jax.scratch import scratch_folder, sweep

# A process that is killed while it has a scratch folder with something in it.
KILLED = """
import os, signal, sys, types
package = types.ModuleType("uhseg_jax")
package.__path__ = [sys.argv[1]]
sys.modules["uhseg_jax"] = package
from uhseg_jax.scratch import scratch_folder
with scratch_folder(sys.argv[2]) as folder:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_scratch_folder_is_gone_after_the_block(tmp_path):
    try:
        with scratch_folder(tmp_path) as folder:
            assert folder.parent == tmp_path
            (folder / "file").touch()
            raise RuntimeError
    except RuntimeError:
        pass
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    package = str(Path(scratch.__file__).parent)
    command = [sys.executable, "-c", KILLED, package, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert (left / "inner" / "file").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").touch()
    link = tmp_path / ".uhseg-abcdefgh.scratch"
    os.symlink(mine, link)
    with scratch_folder(tmp_path) as used:
        sweep(tmp_path)  # as another process would
        assert sorted(tmp_path.iterdir()) == sorted([used, mine, link])
    assert list(mine.iterdir()) == [mine / "file"]
