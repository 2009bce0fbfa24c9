"""Programs that threads compile, and what of them is kept for other processes."""

import dataclasses
import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax import ahead, methods, traced
from uhseg_jax.hierarchy import cuts

SHAPE = jax.ShapeDtypeStruct((3,), np.float32)


def counted(calls, fails=False):
    @ahead.Program
    @functools.partial(jax.jit, static_argnames="factor")
    def scaled(x, *, factor):
        calls.append(factor)
        if fails:
            raise ZeroDivisionError
        return {"scaled": x * factor}

    return scaled


def join():
    for thread in tuple(ahead._threads):
        thread.join()


def test_a_call_finds_what_a_thread_compiled():
    calls = []
    program = counted(calls)
    arguments = lambda: ((SHAPE,), {"factor": 2})  # noqa: E731
    found = program.compile_soon("twice", arguments)
    assert program.compile_soon("twice", arguments) is found
    with ahead.own_settings():
        scaled = program(np.ones(3, np.float32), factor=2)["scaled"]
    assert found.result()["scaled"].shape == (3,)
    np.testing.assert_array_equal(scaled, 2)
    assert calls == [2]
    assert not ahead.is_compiling()


def test_what_goes_wrong_in_a_thread_goes_wrong_in_the_call():
    program = counted([], fails=True)
    found = program.compile_soon("twice", lambda: ((SHAPE,), {"factor": 2}))
    assert isinstance(found.exception(), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        program(np.ones(3, np.float32), factor=2)
    whole = counted([])
    whole.compile_soon("never", lambda: 1 / 0)
    np.testing.assert_array_equal(whole(np.ones(3, np.float32), factor=2)["scaled"], 2)


@pytest.fixture
def nodes():
    parents = np.array([-1, 0, 0, 1, 1, -1, -1, -1], np.int32)
    costs = np.array([0, 0.5, 0.5, 0.2, 0.2, 0, 0, 0], np.float32)
    depths = np.array([0, 1, 1, 2, 2, 0, 0, 0], np.int32)
    return cuts.Nodes(*map(jnp.asarray, (parents, depths, costs, np.int32(5))))


def test_what_was_traced_is_kept_and_not_traced_again(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "programs_folder", lambda: tmp_path)
    exported = []

    def export(function, actual=jax.export.export):
        exported.append(function)
        return actual(function)

    monkeypatch.setattr(ahead.jax.export, "export", export)
    statics = {"kind": "num_regions"}
    wanted = cuts.visible_nodes(nodes, jnp.int32(2), kind="num_regions")
    for damage in (None, None, b"", b"damaged"):
        for file in tmp_path.iterdir() if damage is not None else ():
            file.write_bytes(damage)
        program = ahead.Program(cuts.visible_nodes)
        program.compile_soon("any", lambda: ((nodes, jnp.int32(2)), statics))
        join()
        assert len(program._compiled) == 1
        found = program(nodes, jnp.int32(2), **statics)
        np.testing.assert_array_equal(found, wanted)
        # Of another type, or another constant, it is compiled when it is called.
        np.testing.assert_array_equal(program(nodes, 2, **statics), wanted)
        program(nodes, jnp.int32(2), kind="depth")
    assert len(exported) == 3  # the second found the file of the first
    assert len(list(tmp_path.iterdir())) == 1


def test_functions_of_others_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "programs_folder", lambda: tmp_path)
    calls = []
    program = counted(calls)
    program.compile_soon("twice", lambda: ((SHAPE,), {"factor": 2}))
    with ahead.own_settings():
        program(np.ones(3, np.float32), factor=2)
    assert calls == [2]
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_named_after_all_that_a_program_depends_on(monkeypatch):
    method = methods.METHODS["region_merging"]
    statics = {"segment_fn": method.segment, "config": method.preset(), "mesh": None}
    names = [traced.file_name(cuts.entry_ranks.__wrapped__, (SHAPE,), statics)]

    def add(**others):
        given = {"function": cuts.entry_ranks.__wrapped__, "args": (SHAPE,)}
        names.append(traced.file_name(**{**given, "statics": statics, **others}))

    add()
    assert names[0] == names.pop()
    config = dataclasses.replace(method.preset(), max_ncut=0.29)
    add(statics={**statics, "config": config})
    add(statics={**statics, "segment_fn": methods.METHODS["diffusion_walk"].segment})
    add(args=(jax.ShapeDtypeStruct((4,), np.float32),))
    add(args=[SHAPE])
    add(function=cuts.visible_nodes.__wrapped__)
    jax.config.update("jax_numpy_rank_promotion", "warn")  # another than the suite's
    add()
    jax.config.update("jax_numpy_rank_promotion", "raise")
    monkeypatch.setattr(traced, "_sources_digest", lambda: "others")
    add()
    assert len(set(names)) == len(names) == 8
    for unknown in (lambda x: x, np.sort, object(), np.ones(3)):
        with pytest.raises(traced.UnknownError):
            traced.file_name(cuts.entry_ranks.__wrapped__, (SHAPE,), {"x": unknown})
