"""A GPU or a TPU that JAX does not use is told of, with the line that changes that."""

import jax
import pytest

from uhseg_jax import devices


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Folders of the system that hold nothing."""
    for name in ("_DEVICES", "_PCI"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(devices, name, tmp_path / name)
    monkeypatch.setattr(devices, "_NVIDIA_DRIVER", tmp_path / "driver")
    return tmp_path


def with_platforms(platforms, monkeypatch):
    values = {**jax.config.values, "jax_platforms": platforms}
    monkeypatch.setattr(type(jax.config), "values", values)


def test_without_an_accelerator_there_is_nothing_to_say(machine):
    assert devices.idle_accelerator() == ""
    assert devices.computing_on().startswith("the CPU (")


@pytest.mark.parametrize(("driver", "cuda"), [("550.54.15", 12), ("580.65.06", 13)])
def test_an_idle_gpu_is_told_of(machine, monkeypatch, driver, cuda):
    with_platforms(None, monkeypatch)
    (machine / "_DEVICES" / "nvidia0").touch()
    (machine / "driver").write_text(
        f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {driver}  Release\n"
        "GCC version:  gcc version 12.3.0\n"
    )
    line = f"pip install 'jax[cuda{cuda}]=={jax.__version__}'"
    assert devices.idle_accelerator() == (
        f"There is an NVIDIA GPU here, but JAX computes on the CPU; {line}, and start "
        "Python anew (in a notebook, restart the session)."
    )


def test_an_idle_tpu_is_told_from_other_devices_of_its_maker(machine, monkeypatch):
    with_platforms(None, monkeypatch)
    (machine / "_PCI" / "0000:00:04.0").mkdir()
    (machine / "_PCI" / "0000:00:04.0" / "vendor").write_text("0x1ae0\n")
    (machine / "_PCI" / "0000:00:04.0" / "device").write_text("0x0042\n")  # network
    assert devices.idle_accelerator() == ""
    (machine / "_PCI" / "0000:00:04.0" / "device").write_text("0x0063\n")
    assert "There is a TPU here" in devices.idle_accelerator()
    assert "pip install 'jax[tpu]==" in devices.idle_accelerator()


def test_who_asked_for_the_processor_is_reminded_of_that(machine, monkeypatch):
    with_platforms("cpu", monkeypatch)
    (machine / "_DEVICES" / "nvidia0").touch()
    assert "(JAX_PLATFORMS=cpu); unset" in devices.idle_accelerator()


def test_devices_at_work_are_named(monkeypatch):
    class Gpu:
        platform, device_kind = "gpu", "NVIDIA H200"

    monkeypatch.setattr(jax, "devices", lambda: [Gpu, Gpu])
    assert devices.computing_on() == "2 x NVIDIA H200 (GPU)"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert devices.idle_accelerator() == ""
