"""Where compiled programs are kept, and where they are not."""

import os
import pwd
import subprocess
import sys
import warnings

import jax
import platformdirs
import pytest

from uhseg_jax import cache
from uhseg_jax.cli import startup


def folder_of_jax():
    return jax.config.values["jax_compilation_cache_dir"]


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """JAX has no folder of its own, and is as it was afterwards."""
    names = ("jax_compilation_cache_dir", "jax_enable_compilation_cache")
    names = (*names, "jax_persistent_cache_min_compile_time_secs")
    before = {name: jax.config.values[name] for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    jax.config.update("jax_enable_compilation_cache", True)
    monkeypatch.delenv("UHSEG_KEEP_PROGRAMS", raising=False)
    cache.keep_programs_quietly.cache_clear()
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_beside_the_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("UHSEG_CACHE", str(tmp_path))
    assert cache.keep_programs() == ""
    (folder,) = (tmp_path / "compiled").iterdir()
    assert folder_of_jax() == str(folder)


def test_the_users_choices_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("UHSEG_CACHE", str(tmp_path / "ours"))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
    cache.keep_programs()
    assert folder_of_jax() == str(tmp_path / "theirs")
    jax.config.update("jax_compilation_cache_dir", None)
    jax.config.update("jax_enable_compilation_cache", False)
    cache.keep_programs()
    jax.config.update("jax_enable_compilation_cache", True)
    monkeypatch.setenv("UHSEG_KEEP_PROGRAMS", "0")
    cache.keep_programs()
    assert folder_of_jax() is None
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_nobody_knows_is_a_sentence_and_no_folder(tmp_path, monkeypatch):
    def unknown(user):
        raise KeyError(user)

    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "UHSEG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    literal = lambda *_, **__: "~/.cache/uhseg_jax"  # noqa: E731  as some versions give
    for given in (platformdirs.user_cache_dir, literal):
        monkeypatch.setattr(platformdirs, "user_cache_dir", given)
        with pytest.raises(FileNotFoundError, match="UHSEG_CACHE"):
            cache.checkpoint_directory()
    assert cache.keep_programs() == ""
    assert folder_of_jax() is None
    assert list(tmp_path.iterdir()) == []


def test_programs_that_cannot_be_kept_stop_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "cache").touch()
    monkeypatch.setenv("UHSEG_CACHE", str(tmp_path / "cache"))
    startup.keep_compilations()
    assert "compiled programs cannot be kept there" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="compiled programs cannot be kept"):
        cache.keep_programs_quietly()
    with warnings.catch_warnings(action="error"):
        cache.keep_programs_quietly()  # which has said so
    assert folder_of_jax() is None


def test_the_programs_written_first_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("UHSEG_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_MOST_BYTES", 100)
    cache.keep_programs()
    (folder,) = (tmp_path / "compiled").iterdir()
    other = folder.parent / "another_processor"
    other.mkdir()
    for age in range(12):
        path = (folder, other)[age % 2] / f"{age}"
        path.write_bytes(b"0" * 10)
        os.utime(path, (age, age))
    jax.config.update("jax_compilation_cache_dir", None)
    cache.keep_programs()
    kept = folder.parent.glob("*/*")
    assert sorted(int(x.name) for x in kept) == [7, 8, 9, 10, 11]


def test_the_users_least_time_stays(tmp_path, monkeypatch):
    name = "jax_persistent_cache_min_compile_time_secs"
    monkeypatch.setenv("UHSEG_CACHE", str(tmp_path))
    monkeypatch.delenv(name.upper(), raising=False)
    for theirs, wanted in ((0.3, 0.3), (1.0, 0.05)):
        jax.config.update(name, theirs)
        jax.config.update("jax_compilation_cache_dir", None)
        cache.keep_programs()
        assert jax.config.values[name] == wanted


@pytest.mark.slow
def test_a_second_process_compiles_nothing_that_took_long(tmp_path):
    code = """
import jax, jax.monitoring, jax.numpy as jnp, numpy as np
jnp.sin(jnp.ones(3)).block_until_ready()  # JAX has compiled before
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
import uhseg_jax
features = np.random.default_rng(0).random((6, 6, 8), np.float32)
uhseg_jax.segment_features(features)
print(sum("cache_hits" in x for x in events), sum("misses" in x for x in events))
"""
    environment = {**os.environ, "UHSEG_CACHE": str(tmp_path)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    hits = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        hits.append(int(done.stdout.split()[0]))
    assert hits[0] == 0
    assert hits[1] > 0
