"""Programs that threads compile before they are called."""

import functools
import threading
import time
from concurrent import futures

import jax
import jax.monitoring
import numpy as np
import pytest
from jax_versions import listening

from uhseg_jax import ahead

SHAPE = jax.ShapeDtypeStruct((3,), np.float32)
ONES = np.ones(3, np.float32)


@pytest.fixture
def compilations():
    """Names of what is compiled."""
    names = []

    def heard(event, seconds, **kwargs):
        del seconds
        if event.endswith("backend_compile_duration"):
            names.append(kwargs.get("fun_name"))

    with listening((jax.monitoring.register_event_duration_secs_listener, heard)):
        yield names


@pytest.fixture(autouse=True)
def settings():
    with ahead.own_settings():
        yield
    deadline = time.monotonic() + 60
    while ahead.is_compiling():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def program_of(traced, fails=False):
    @ahead.Program
    @functools.partial(jax.jit, static_argnames="factor")
    def scaled(x, *, factor):
        traced.append(factor)
        if fails:
            raise ZeroDivisionError
        return {"scaled": x * factor}

    return scaled


def soon(program, factor=2, arguments=lambda: (SHAPE,)):
    return program.compile_soon(factor, arguments, {"factor": factor})


def test_what_a_thread_compiled_is_not_compiled_again(compilations):
    traced = []
    program = program_of(traced)
    shapes = soon(program)
    assert soon(program) is shapes
    with futures.ThreadPoolExecutor(2) as callers:  # both at once

        def call(value):
            with ahead.own_settings():
                return np.asarray(program(value, factor=2)["scaled"])

        for found in callers.map(call, (jax.numpy.ones(3), ONES)):
            np.testing.assert_array_equal(found, 2)
    assert shapes.result()["scaled"].shape == (3,)
    assert traced == [2]
    assert sum("scaled" in str(name) for name in compilations) == 1
    assert not program._unfinished


def test_what_goes_wrong_in_a_thread_goes_wrong_in_the_call():
    program = program_of([], fails=True)
    shapes = soon(program)
    assert isinstance(shapes.exception(), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        program(ONES, factor=2)
    whole = program_of([])
    assert isinstance(
        soon(whole, arguments=lambda: 1 / 0).exception(), ZeroDivisionError
    )
    np.testing.assert_array_equal(whole(ONES, factor=2)["scaled"], 2)


def test_without_a_thread_the_call_compiles(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    program = program_of([])
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert isinstance(soon(program).exception(), RuntimeError)
    assert not ahead.is_compiling()
    np.testing.assert_array_equal(program(ONES, factor=2)["scaled"], 2)
    assert soon(program).result()["scaled"].shape == (3,)  # which may be tried again


def test_a_call_waits_for_its_own_program_alone():
    traced, goes_on = [], threading.Event()
    program = program_of(traced)

    def late():
        goes_on.wait()
        return (SHAPE,)

    try:
        shapes = [soon(program, factor, late) for factor in range(10)]
        assert len(ahead._threads) == 2
        for factor in (11, 5):  # another's, and one that no thread has come to
            program(ONES, factor=factor)
        assert traced == [11, 5]
    finally:
        goes_on.set()
    with pytest.raises(futures.CancelledError):
        shapes[5].result()
    assert shapes[9].result()["scaled"].shape == (3,)
    assert sorted(traced) == [*range(10), 11]
