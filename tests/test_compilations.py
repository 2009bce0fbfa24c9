import contextlib
import threading
import time

import jax
import jax.numpy as jnp
from jax_versions import listening

from uhseg_jax import ahead, compilations


@contextlib.contextmanager
def watching():
    """A watch that hears what begins from now on, not what tests before began."""
    watch = compilations.Watch()
    with listening(
        (jax.monitoring.register_scalar_listener, watch.on_begin),
        (jax.monitoring.register_event_duration_secs_listener, watch.on_end),
    ):
        yield watch


def test_a_watch_knows_what_is_compiled_while_it_is():
    seen = []

    def function(x):
        seen.append(watch.now())  # while it is traced
        time.sleep(0.02)
        return x + 1

    while ahead.is_compiling():  # what tests before had compiled ahead
        time.sleep(0.1)
    with watching() as watch:
        jax.jit(function)(jnp.zeros(3))
        (kind, seconds) = seen[0]
        assert kind == "programs"
        assert seconds < 5
        assert watch.now() is None
        took = watch.seconds()
        assert took > 0.02
        jax.jit(function)  # nothing is called
        assert watch.seconds() == took
    assert compilations.watch() is compilations.watch()


def test_programs_are_known_by_their_name_or_by_who_calls_them():
    kinds = []

    def jitted_trees(x):
        kinds.append(watch.now()[0])
        return x

    with watching() as watch:
        jax.jit(jitted_trees)(jnp.zeros(2))
    assert kinds == ["method"]
    assert {*compilations._BY_ROOM.values(), "programs"} == {*compilations.PROGRAMS}


def test_two_threads_count_once():
    watch = compilations.Watch()
    event = "/jax/core/compile/backend_compile_duration"
    begun, may_end = threading.Event(), threading.Event()

    def work():
        watch.on_begin(event, 0.0, fun_name="jit(_answers)")
        watch.on_begin(event, 0.0, fun_name="jit(inner)")
        watch.on_end(event, 0.0)
        begun.set()
        may_end.wait(5)
        watch.on_end(event, 0.0)

    thread = threading.Thread(target=work)
    start = time.monotonic()
    thread.start()
    assert begun.wait(5)
    watch.on_begin(event, 0.0, fun_name="jit(jitted_trees)")
    assert watch.now()[0] == "backbone"  # which began first
    time.sleep(0.05)
    may_end.set()
    thread.join()
    assert watch.now()[0] == "method"
    watch.on_end(event, 0.0)
    watch.on_end(event, 0.0)  # of one that began before the watch
    assert watch.now() is None
    assert 0.05 <= watch.seconds() <= time.monotonic() - start
