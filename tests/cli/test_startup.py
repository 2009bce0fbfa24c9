import os
import subprocess
import sys

import jax
import pytest
from jax_versions import enable_x64

from uhseg_jax import devices
from uhseg_jax.cli import startup


def test_the_lapack_that_jax_calls_gets_one_thread():
    # In a process of its own: the limit would stay for the rest of the suite.
    code = """
import jax.numpy as jnp, threadpoolctl
from uhseg_jax.cli import startup
startup.keep_lapack_serial()
jnp.linalg.eigh(jnp.eye(8))
print([pool["num_threads"] for pool in threadpoolctl.threadpool_info()])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    threads = eval(done.stdout)
    assert len(threads) >= 2  # numpy's and scipy's
    assert set(threads) == {1}


def test_what_the_package_logs_is_printed_and_does_nothing_else():
    code = """
import logging
from absl import logging as others
from uhseg_jax.cli import startup
startup.keep_quiet()
startup.keep_quiet()
logging.getLogger("uhseg_jax.datasets").warning("%d objects in %s", 3, "a\\x1bb")
logging.getLogger("uhseg_jax.datasets").info("nothing")
others.warning("of another")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == "3 objects in a\\x1bb\n"


@pytest.fixture
def configure():
    """Changes settings of JAX until the end of the test."""
    before = {}

    def change(name, value):
        before[name] = jax.config.values[name]
        jax.config.update(name, value)

    yield change
    for name, value in before.items():
        jax.config.update(name, value)


def status_of(error, capsys):
    def work():
        raise error

    return startup.exit_status(work), capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory, 9 bytes\nmore"),
    ],
)
def test_a_lack_of_memory_is_a_sentence(error, capsys):
    status, said = status_of(error, capsys)
    assert status == 1
    assert "not enough memory. Give a smaller --batch_size" in said
    assert "what is finished stays" in said
    assert said.count("\n") == 1


def test_other_troubles_of_xla_are_not_hidden(capsys):
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        status_of(jax.errors.JaxRuntimeError("INTERNAL: a bug"), capsys)


def test_messages_do_nothing_to_the_terminal(capsys):
    assert status_of(OSError("\x1b[2Ja.jpg: no"), capsys) == (1, "\\x1b[2Ja.jpg: no\n")


def test_commands_have_settings_of_their_own():
    with enable_x64(True):
        assert startup.exit_status(lambda: int(jax.config.jax_enable_x64)) == 0


def test_a_device_that_is_not_there_is_a_sentence(monkeypatch, configure):
    def fail():
        raise AssertionError

    configure("jax_platforms", "cuda")
    monkeypatch.setattr(devices.jax, "devices", fail)
    monkeypatch.setattr(devices, "_present", lambda wanted: "cpu")
    with pytest.raises(devices.DeviceError) as found:
        devices.require_devices.__wrapped__()
    for words in ("JAX_PLATFORMS=cuda", "finds only cpu here", "'jax[cuda13]'"):
        assert words in str(found.value)


def test_the_device_flag_is_stronger_than_the_environment(configure):
    configure("jax_platforms", "cuda")
    devices.choose_devices("cpu")
    assert jax.config.values["jax_platforms"] == "cpu"


def test_a_device_that_the_flag_names_in_vain_is_a_sentence(configure):
    configure("jax_platforms", "cpu")
    with pytest.raises(devices.DeviceError) as found:
        devices.choose_devices("gpu")
    for words in ("--device=gpu", "finds only cpu here", "'jax[cuda13]'"):
        assert words in str(found.value)


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cuda", "tpu,cpu", "nonsense"])
def test_commands_say_which_devices_there_are(platform, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "uhseg_jax.cli.segment", "--model=dinov2_test"],
        env={**os.environ, "JAX_PLATFORMS": platform},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"JAX_PLATFORMS={platform}: expected such a device")
    assert "JAX finds only cpu" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
