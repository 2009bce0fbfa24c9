"""Settings of the process do not reach results, and programs do not fill its maps."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax_versions import enable_x64

from uhseg_jax import entry
from uhseg_jax.backbones import family_of, get_variant
from uhseg_jax.methods import recursive_spectral


@entry.entry_point
def found_dtypes(value):
    return jnp.asarray(value).dtype, jax.random.key(0).dtype, jnp.sin(1.0).dtype


def test_an_entry_point_sees_settings_of_its_own():
    wanted = found_dtypes(np.float64(1))
    with enable_x64(True), jax.default_prng_impl("rbg"):
        assert found_dtypes(np.float64(1)) == wanted
        assert jnp.sin(1.0).dtype == np.float64  # the caller's are as they were
    assert wanted[0] == wanted[2] == np.float32


def test_in_a_program_of_the_caller_his_settings_hold():
    with enable_x64(True):
        shape = jax.eval_shape(entry.entry_point(lambda x: x), jnp.zeros(3))
    assert shape.dtype == np.float64


@pytest.mark.parametrize("name", ["dinov2_test", "sd_test"])
def test_parameters_are_float32_whatever_the_setting(name):
    spec = get_variant(name).spec
    with enable_x64(True):
        abstract = family_of(spec).abstract_params(spec)
    assert {x.dtype for x in jax.tree.leaves(abstract)} == {np.dtype(np.float32)}


def test_pure_functions_work_in_programs_of_double_precision():
    def costs(features):
        config = recursive_spectral.Config(num_superpixels=4, max_depth=2)
        return recursive_spectral.segment(features, config).tree.costs

    with enable_x64(True), jax.numpy_dtype_promotion("standard"):
        features = jnp.zeros((3, 4, 5), jnp.float32)
        assert jax.eval_shape(costs, features).dtype == np.float32


def test_programs_are_forgotten_before_they_take_all_maps(monkeypatch):
    maps, cleared = [100], []

    def clear():
        cleared.append(maps[0])
        maps[0] = 500

    monkeypatch.setattr(entry, "_count_maps", lambda: maps[0])
    monkeypatch.setattr(entry, "_calls_before_counting", 0)
    monkeypatch.setattr(entry.jax, "clear_caches", clear)
    monkeypatch.setattr(entry.gc, "collect", lambda: None)
    most = entry._most_maps()
    assert 10_000 < most < 65_530
    for _ in range(1000):  # calls that all make the programs of a new size
        entry.forget_programs_if_many()
        maps[0] += 1000
        assert maps[0] < 60_000
    assert len(cleared) > 10
    assert min(cleared) > most


def test_maps_that_are_not_of_programs_do_not_make_every_call_forget(monkeypatch):
    theirs = entry._most_maps() + 1000
    programs, cleared = [0], []

    def clear():
        cleared.append(programs[0])
        programs[0] = 0

    monkeypatch.setattr(entry, "_count_maps", lambda: theirs + programs[0])
    monkeypatch.setattr(entry, "_calls_before_counting", 0)
    monkeypatch.setattr(entry.jax, "clear_caches", clear)
    monkeypatch.setattr(entry.gc, "collect", lambda: None)
    for _ in range(100):
        entry.forget_programs_if_many()
        programs[0] += 1000
        assert theirs + programs[0] < 60_000
    assert 10 < len(cleared) < 25


def test_where_the_system_counts_no_maps_nothing_is_forgotten(monkeypatch, tmp_path):
    monkeypatch.setattr(entry, "_MAPS", tmp_path / "maps")
    monkeypatch.setattr(entry, "_MAX_MAPS", tmp_path / "max_map_count")
    monkeypatch.setattr(entry, "_calls_before_counting", 0)
    monkeypatch.setattr(entry.jax, "clear_caches", pytest.fail)
    entry.forget_programs_if_many()


@pytest.mark.slow
@pytest.mark.skipif(not entry._MAPS.exists(), reason="no /proc/self/maps here")
def test_a_process_whose_maps_are_nearly_taken_goes_on():
    code = """
import mmap
import jax, numpy as np
from uhseg_jax import entry
kinds = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE  # those of one kind merge
taken = [mmap.mmap(-1, 4096, prot=kinds[i % 2]) for i in range(44_000)]
program = jax.jit(lambda x: jax.numpy.sort(x * 2) + 1)
call, cached, counts = entry.entry_point(program), [], []
for size in range(1, 200):
    call(np.ones(size, np.float32))
    cached.append(program._cache_size())
    counts.append(entry._count_maps())
assert max(counts) > 45_000, counts
assert max(counts) < 46_000, counts
assert max(cached) > cached[-1]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
