import sys

import jax
import jax.numpy as jnp
import pytest

from uhseg_jax.benchmarks import watch
from uhseg_jax.benchmarks.commands import Command
from uhseg_jax.processes import ProcessError

# A package of the user's, of which another version may take turns.
MODULE = """
import os, sys
import jax
print(jax.jit(lambda x: x + 1)(2.0))
assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
leave = os._exit if sys.argv[1] == "0" else sys.exit
leave(int(sys.argv[1]))
"""


def test_every_program_counts_once():
    fresh = jax.jit(lambda x: x * 3 + 1)
    x, y = jnp.zeros(3), jnp.zeros(4)
    with watch.Programs() as programs:
        fresh(x)
        fresh(x)
        assert programs.count == 1
        fresh(y)
    assert programs.count == 2
    assert programs.seconds > 0
    fresh(jnp.zeros(5))  # nobody counts any more
    assert programs.count == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say")
def test_the_memory_of_the_process_is_known():
    assert watch.memory_maps() > 100
    assert 0.05 < watch.resident_memory() <= watch.peak_memory() < 100


def test_a_command_is_watched_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "users"))
    (tmp_path / "compiling.py").write_text(MODULE)
    command = Command("compiling", tmp_path / "cache", checkout=tmp_path)
    found = command.watched("0")
    assert found["programs"] >= 1
    assert found["loaded"] == 0
    assert 0 < found["compile_s"] < found["wall_s"]
    with pytest.raises(ProcessError, match="compiling 3 ended with status 3"):
        command.watched("3")


def test_a_command_is_timed_without_being_watched(tmp_path):
    assert 0 < Command("timeit", tmp_path).seconds("-n1", "-r1") < 30
