"""An interrupt is heard in a compilation, and where an exception would be lost."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from uhseg_jax.cli import interrupts

# Work of several kinds, each of which would go on for ten seconds.
CALLS = {
    "python": "for _ in range(1000): time.sleep(0.01)",
    "compiled code": "time.sleep = ctypes.PyDLL(None).sleep; time.sleep(10)",
    "a callback": """
class Noisy:
    def __del__(self):
        for _ in range(30): time.sleep(0.1)
Noisy()
for _ in range(1000): time.sleep(0.01)
""",
    "a swallowed exception": """
try:
    for _ in range(1000): time.sleep(0.01)
except BaseException:
    pass
interrupts.check()
time.sleep(10)
""",
}


def interrupted(work, tmp_path, *, times=1):
    """The status, what is said, and seconds of a command that is interrupted."""
    code = f"""
import ctypes, sys, time
from uhseg_jax.cli import interrupts, startup
from uhseg_jax.files import atomic_write
def main(argv):
    with atomic_write({str(tmp_path / "a.json")!r}):
        print("ready", flush=True)
{"".join(f"        {line}{chr(10)}" for line in work.splitlines())}
startup.run_command(main, prepare=[])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    start = time.monotonic()
    for _ in range(times):
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    return process.returncode, said, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("kind", CALLS)
def test_an_interrupt_ends_the_process_soon(kind, tmp_path):
    status, said, seconds = interrupted(CALLS[kind], tmp_path)
    assert status == 130
    assert said == f"{interrupts.SENTENCE}\n"
    assert seconds < 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_second_interrupt_ends_it_at_once(tmp_path):
    status, said, seconds = interrupted(CALLS["compiled code"], tmp_path, times=2)
    assert (status, said) == (130, f"{interrupts.SENTENCE}\n")
    assert seconds < 1.5
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_that_was_lost_is_raised_between_images(monkeypatch):
    monkeypatch.setattr(interrupts, "_heard", threading.Event())
    interrupts.check()
    with pytest.raises(KeyboardInterrupt):
        interrupts._raise(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()


def test_a_process_that_is_to_ignore_interrupts_does(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts.listen()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
