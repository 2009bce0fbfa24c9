import dataclasses
import os
import signal
import socket
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import kmeans_references as references
import numpy as np
import pytest
from sklearn.cluster import KMeans, MiniBatchKMeans

from uhseg_jax.spectral import streamed_kmeans
from uhseg_jax.spectral.streamed_kmeans import Config, assign, fit

N, D, K = 9000, 6, 5
EPS = float(np.finfo(np.float32).eps)
ROWS = references.grouped_rows(0, n=N, d=D, k=K, noise=0.5)
START = ROWS[:K]
EXACT = Config(K, restarts=2, tolerance=0.0, max_passes=200)


def pieces(*places, rows=ROWS):
    return lambda: np.split(rows, places)


def same(first, second):
    np.testing.assert_array_equal(first.centroids, second.centroids)
    np.testing.assert_array_equal(first.counts, second.counts)
    assert first.inertia == second.inertia
    assert first.passes == second.passes
    assert first.converged == second.converged


def test_lloyd_ends_with_sklearns_labels_and_inertia():
    config = dataclasses.replace(EXACT, cosine=False)
    ours = fit(pieces(2000), config, start=START)
    theirs = KMeans(K, init=START, n_init=1, tol=0, max_iter=200).fit(ROWS)
    labels, squared = assign(ROWS, ours.centroids, cosine=False)
    np.testing.assert_array_equal(labels, theirs.labels_)
    np.testing.assert_array_equal(ours.counts, np.bincount(theirs.labels_))
    assert ours.converged
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=32 * EPS)
    assert np.sum(squared) == pytest.approx(theirs.inertia_, rel=32 * EPS)


@pytest.mark.parametrize("cosine", [True, False])
def test_each_pass_is_lloyds_step(cosine):
    config = dataclasses.replace(EXACT, cosine=cosine, max_passes=4)
    seen = []
    model = fit(pieces(10), config, start=START, on_pass=seen.append)
    expected, _, inertia = references.lloyd(ROWS, START, passes=4, cosine=cosine)
    # A row within round-off of a border may fall to the other side: 1 / 1800 of a
    # mean. None does here.
    np.testing.assert_allclose(model.centroids, expected, atol=8 * EPS)
    np.testing.assert_allclose([x.inertia for x in seen], inertia, rtol=32 * EPS)
    assert [x.passes for x in seen] == [1, 2, 3, 4]


@pytest.mark.parametrize("cosine", [True, False])
def test_mini_batches_are_sculleys(cosine):
    config = Config(
        K,
        mode="mini_batch",
        cosine=cosine,
        batch_rows=3500,
        max_passes=2,
        tolerance=0.0,
    )
    model = fit(pieces(100, 4000), config, start=START)
    expected = references.mini_batches(ROWS, START, size=3500, passes=2, cosine=cosine)
    np.testing.assert_allclose(model.centroids, expected, atol=8 * EPS)
    assert model.counts.sum() == N


@pytest.mark.parametrize("seeding", ["k_means++", "k_means||"])
@pytest.mark.parametrize("mode", ["lloyd", "mini_batch"])
def test_seeded_fits_come_near_sklearns_best_of_ten(mode, seeding):
    config = Config(
        K, mode=mode, seeding=seeding, restarts=3, cosine=False, batch_rows=3500
    )
    model = fit(pieces(), config)
    best = KMeans(K, n_init=10, random_state=0).fit(ROWS).inertia_
    found = float(np.sum(assign(ROWS, model.centroids, cosine=False)[1]))
    assert found <= best * (1.001 if mode == "lloyd" else 1.02)
    if mode == "mini_batch":
        theirs = MiniBatchKMeans(K, n_init=3, batch_size=3500, random_state=0).fit(ROWS)
        assert found <= 1.02 * theirs.inertia_


def test_lloyd_is_the_same_to_the_last_bit_whatever_the_pieces_and_batches():
    first = fit(pieces(), dataclasses.replace(EXACT, batch_rows=100))
    for batch_rows, places in [(5000, (1, 2, 4097)), (65_536, range(0, N, 300))]:
        config = dataclasses.replace(EXACT, batch_rows=batch_rows)
        same(fit(pieces(*places), config), first)


def test_mini_batches_are_the_same_whatever_the_pieces():
    config = Config(K, mode="mini_batch", batch_rows=3500, seeding="k_means||")
    same(fit(pieces(), config), fit(pieces(7, 5000, 8999), config))


def test_the_order_of_the_rows_matters_only_to_round_off():
    config = dataclasses.replace(EXACT, cosine=False)
    there, back = (
        fit(pieces(rows=rows), config, start=START) for rows in (ROWS, ROWS[::-1])
    )
    np.testing.assert_allclose(there.centroids, back.centroids, atol=8 * EPS)
    assert there.inertia == pytest.approx(back.inertia, rel=32 * EPS)


def test_another_seed_draws_other_seeds():
    once, again, other = (
        fit(pieces(), Config(K, seed=seed, restarts=1, max_passes=1))
        for seed in (0, 0, 1)
    )
    same(once, again)
    assert not np.array_equal(once.centroids, other.centroids)


def test_cosine_looks_at_directions_alone():
    lengths = np.exp2(np.random.default_rng(1).integers(-3, 4, N)).astype(np.float32)
    stretched = fit(pieces(rows=ROWS * lengths[:, None]), EXACT, start=START)
    same(stretched, fit(pieces(), EXACT, start=START))
    norms = np.linalg.norm(stretched.centroids, axis=1)
    np.testing.assert_allclose(norms, 1, atol=4 * EPS)


def test_lloyds_inertia_never_rises():
    seen = []
    fit(pieces(), EXACT, start=np.roll(ROWS, 1, 0)[:K], on_pass=seen.append)
    inertia = np.asarray([x.inertia for x in seen])
    assert len(inertia) > 3
    assert (np.diff(inertia) <= EPS * inertia[:-1]).all()


def test_tolerance_ends_a_fit_early():
    seen = []
    fit(pieces(), EXACT, start=START, on_pass=seen.append)
    inertia = np.asarray([x.inertia for x in seen])
    small = inertia[:-1] - inertia[1:] <= 0.01 * inertia[:-1]
    model = fit(pieces(), dataclasses.replace(EXACT, tolerance=0.01), start=START)
    assert model.passes == np.argmax(small) + 2 < len(seen)


FAR = np.asarray([[50.0] * D, [-50.0] * D, [50.0] * D], np.float32)


@pytest.mark.parametrize("mode", ["lloyd", "mini_batch"])
def test_an_empty_cluster_moves_to_the_farthest_row(mode):
    start = np.concatenate([START[:3], np.full((2, D), 1e4, np.float32)])
    rows = np.concatenate([ROWS[:4000], FAR, ROWS[4000:]])
    config = Config(K, mode=mode, cosine=False, max_passes=1)
    model = fit(pieces(rows=rows), config, start=start)
    # Not both of them to copies of one row, though these are equally far.
    np.testing.assert_array_equal(np.sort(model.centroids[3:, 0]), [-50, 50])
    assert not model.converged


def test_an_empty_cluster_can_be_kept():
    start = np.concatenate([START[:4], np.full((1, D), 1e4, np.float32)])
    config = dataclasses.replace(EXACT, cosine=False, empty="keep")
    model = fit(pieces(), config, start=start)
    np.testing.assert_array_equal(model.centroids[4], start[4])
    assert model.counts[4] == 0
    alone = fit(pieces(), dataclasses.replace(config, k=4), start=START[:4])
    np.testing.assert_array_equal(model.centroids[:4], alone.centroids)


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("seeding", ["k_means++", "k_means||"])
def test_fewer_distinct_rows_than_clusters_leave_some_empty(cosine, seeding):
    rows = np.repeat(ROWS[:3], 7, axis=0)
    model = fit(pieces(rows=rows), Config(K, cosine=cosine, seeding=seeding))
    assert sorted(model.counts) == [0, 0, 7, 7, 7]
    assert model.inertia <= 21 * (8 * EPS) ** 2 * np.max(np.sum(rows**2, 1))
    assert np.isfinite(model.centroids).all()
    assert model.converged


@pytest.mark.parametrize("seeding", ["k_means++", "k_means||"])
def test_as_many_rows_as_clusters_are_the_clusters(seeding):
    config = Config(K, cosine=False, seeding=seeding)
    model = fit(pieces(rows=START), config)
    found = np.asarray(model.centroids)
    order = np.lexsort(found.T), np.lexsort(START.T)
    np.testing.assert_array_equal(found[order[0]], START[order[1]])


@pytest.mark.parametrize("seeding", ["k_means++", "k_means||"])
@pytest.mark.parametrize("count", [0, K - 1])
def test_fewer_rows_than_clusters_are_refused(seeding, count):
    with pytest.raises(ValueError, match=f"k=5 needs at least .* found {count}; ask"):
        fit(pieces(rows=ROWS[:count]), Config(K, seeding=seeding))


def test_opposite_rows_have_no_mean_direction_and_break_nothing():
    rows = np.concatenate([ROWS[:50], -ROWS[:50]])
    model = fit(pieces(rows=rows), Config(1, max_passes=3), start=START[:1])
    assert model.counts == [100]
    np.testing.assert_allclose(
        model.centroids, references.unit(START[:1]), atol=2 * EPS
    )


def test_zero_rows_of_cosine_have_distance_one_and_label_zero():
    rows = np.zeros((3, D), np.float32)
    labels, squared = assign(rows, references.unit(START).astype(np.float32))
    np.testing.assert_array_equal(labels, 0)
    np.testing.assert_allclose(squared, 1, atol=4 * EPS)
    model = fit(pieces(rows=np.concatenate([rows, ROWS])), EXACT, start=START)
    assert model.counts.sum() == N + 3
    assert np.isfinite(model.centroids).all()


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("n", [1, 90, N])
def test_assign_gives_the_nearest_centroid(n, cosine):
    centroids = references.unit(START) if cosine else START
    labels, squared = assign(ROWS[:n], centroids.astype(np.float32), cosine=cosine)
    rows = references.unit(ROWS[:n]) if cosine else ROWS[:n].astype(np.float64)
    expected = references.distances(rows, centroids)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected.argmin(1))
    largest = np.max(np.abs(rows)) ** 2 * D
    np.testing.assert_allclose(squared, expected.min(1), atol=16 * EPS * largest)


def test_assign_works_under_jit_and_of_equals_takes_the_first():
    centroids = jnp.asarray(np.repeat(references.unit(START), 2, 0), jnp.float32)
    labels, _ = jax.jit(lambda x: assign(x, centroids))(jnp.asarray(ROWS[:90]))
    assert set(np.unique(labels)) <= {0, 2, 4, 6, 8}


def test_rows_that_are_not_finite_name_their_batch():
    def batches():
        yield ROWS[:4000]
        yield np.where(np.arange(D) == 2, np.nan, ROWS[4000:4010])

    for config in (Config(K), Config(K, seeding="k_means||")):
        with pytest.raises(ValueError, match=r"Batch 1: expected finite .* 10 hold"):
            fit(batches, config)
    with pytest.raises(ValueError, match="Batch 1"):
        fit(batches, Config(K), start=START)


def test_no_rows_are_refused_even_with_a_start():
    with pytest.raises(ValueError, match="found none"):
        fit(lambda: [], Config(K), start=START)


def test_passes_that_differ_are_refused():
    exhausted = iter([ROWS[:4000], ROWS[4000:]])
    with pytest.raises(ValueError, match=r"found 0 after 9000 .* must start anew"):
        fit(lambda: exhausted, Config(K), start=START)


@pytest.mark.parametrize(
    ("start", "words"),
    [(ROWS[:4], r"\[4, 6\]"), (np.full((K, D), np.nan, np.float32), "without NaN")],
)
def test_a_start_of_another_shape_is_refused(start, words):
    with pytest.raises(ValueError, match=words):
        fit(pieces(), Config(K), start=start)


def test_a_start_of_other_channels_is_refused():
    start = np.ones((K, D + 1), np.float32)
    with pytest.raises(ValueError, match=r"rows of 7 numbers .* found 6"):
        fit(pieces(), Config(K), start=start)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"k": 0}, "k must be a whole number of at least 1"),
        ({"mode": "full"}, "mode must be 'lloyd' or 'mini_batch'"),
        ({"seeding": "random"}, "seeding must be"),
        ({"tolerance": -0.1}, "tolerance must be a number from 0 to 1"),
        ({"sample_size": 3}, "sample_size must be at least k, but is 3 for k=5"),
    ],
)
def test_configs_that_make_no_sense(fields, words):
    with pytest.raises(ValueError, match=words):
        Config(**{"k": 5, **fields})


def test_a_mesh_with_other_axes_is_refused():
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    with pytest.raises(ValueError, match=r"one axis 'data'.*found the axes \('batch'"):
        fit(pieces(), Config(K), mesh=mesh)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("mode", ["lloyd", "mini_batch"])
def test_a_stopped_fit_goes_on_as_if_it_had_not_been(mode, tmp_path):
    config = dataclasses.replace(EXACT, mode=mode, batch_rows=3500, max_passes=6)
    whole = fit(pieces(), config, start=START)
    passes = 0

    def stop(model):
        raise StoppedError

    def batches():
        nonlocal passes
        passes += 1
        return pieces()()

    for _ in range(whole.passes - 1):
        with pytest.raises(StoppedError):
            fit(batches, config, state_file=tmp_path / "s", start=START, on_pass=stop)
    same(fit(batches, config, state_file=tmp_path / "s", start=START), whole)
    assert passes == whole.passes
    same(fit(batches, config, state_file=tmp_path / "s", start=START), whole)
    assert passes == whole.passes  # what is finished is not passed over again
    assert [x.name for x in tmp_path.iterdir()] == ["s"]


KILLED = f"""
    import os, signal, sys
    sys.path.insert(0, {os.path.dirname(__file__)!r})
    import test_clustering as t

    def kill(model):
        print(model.passes, flush=True)
        if model.passes == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    t.fit(t.pieces(500), t.TO_KILL, state_file=sys.argv[1], on_pass=kill)
"""
TO_KILL = Config(
    K, mode="mini_batch", restarts=1, batch_rows=2500, tolerance=0.0, max_passes=4
)


def run(code, *arguments, devices=1):
    flags = f"{os.environ.get('XLA_FLAGS', '')} "
    flags += f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_killed_fit_goes_on_as_if_it_had_not_been(tmp_path):
    killed = run(KILLED, tmp_path / "state.npz")
    out, _ = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, out
    assert out.split()[-2:] == ["1", "2"]
    seen = []
    again = fit(
        pieces(), TO_KILL, state_file=tmp_path / "state.npz", on_pass=seen.append
    )
    assert seen[0].passes == 3
    same(again, fit(pieces(), TO_KILL))


def test_a_state_of_another_configuration_is_refused(tmp_path):
    path = tmp_path / "s"
    config = Config(K, max_passes=1)
    fit(pieces(), config, state_file=path, start=START)
    other = dataclasses.replace(config, seed=3, cosine=False)
    words = r"another configuration \(cosine: True there, False here, seed: 0 there"
    with pytest.raises(ValueError, match=words):
        fit(pieces(), other, state_file=path, start=START)
    with pytest.raises(ValueError, match="start: "):
        fit(pieces(), config, state_file=path, start=START + 1)


def test_a_state_of_other_rows_is_refused(tmp_path):
    def stop(model):
        raise StoppedError

    with pytest.raises(StoppedError):
        fit(pieces(), EXACT, state_file=tmp_path / "s", start=START, on_pass=stop)
    with pytest.raises(ValueError, match="found 8999 after 9000"):
        fit(pieces(rows=ROWS[1:]), EXACT, state_file=tmp_path / "s", start=START)


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_state_is_refused(content, tmp_path):
    path = tmp_path / "s"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"s: expected the state .* remove it"):
        fit(pieces(), Config(K), state_file=path)
    assert path.read_bytes() == content


SHARED = f"""
    import sys
    sys.path.insert(0, {os.path.dirname(__file__)!r})
    import jax, numpy as np
    import test_clustering as t

    assert jax.device_count() == 8
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    for config in (
        t.Config(t.K, restarts=1), t.Config(t.K, seeding="k_means||"), t.TO_KILL
    ):
        t.same(t.fit(t.pieces(9), config, mesh=mesh), t.fit(t.pieces(), config))
    print("equal")
"""


def test_eight_devices_give_the_clusters_of_one_exactly():
    process = run(SHARED, devices=8)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out
    assert out.splitlines()[-1] == "equal"


HOSTS = f"""
    import sys
    sys.path.insert(0, {os.path.dirname(__file__)!r})
    import pathlib
    import jax, numpy as np
    folder, port, process = sys.argv[1:]
    jax.distributed.initialize(f"localhost:{{port}}", 2, int(process))
    from jax.experimental import multihost_utils
    import test_clustering as t

    def add(tree):
        def one(x):
            words = np.atleast_1d(np.ascontiguousarray(x)).view(np.int32)
            every = np.asarray(multihost_utils.process_allgather(words))
            return every.view(x.dtype).sum(axis=0).reshape(x.shape)
        return jax.tree.map(one, tree)

    mine = t.ROWS[:4000] if process == "0" else t.ROWS[4000:]
    batches = lambda: [mine[:1000], mine[1000:]]
    folder = pathlib.Path(folder) / process
    started = t.fit(batches, t.EXACT, start=t.START, reduce=add)
    found = {{"started": started.centroids, "inertia": started.inertia}}
    for i, config in enumerate((t.TO_KILL, t.Config(t.K, seeding="k_means||"))):
        model = t.fit(batches, config, reduce=add, state_file=folder / str(i))
        found[f"seeded {{i}}"] = model.centroids
    # The state of the process that has one, where the other has lost its own.
    if process == "1":
        (folder / "1").unlink()
    batches = lambda: 1 / 0
    again = t.fit(batches, config, reduce=add, state_file=folder / "1")
    assert np.array_equal(again.centroids, found["seeded 1"])
    empty = t.fit(lambda: [t.ROWS][int(process):], t.EXACT, start=t.START, reduce=add)
    found["empty"] = empty.centroids
    bad = t.ROWS * (np.nan if process == "1" else 1)
    try:
        t.fit(lambda: [bad], t.Config(t.K), reduce=add)
    except (ValueError, RuntimeError) as error:
        print(type(error).__name__, error)
    np.savez(folder / "found.npz", **found)
"""


@pytest.mark.slow
def test_two_processes_give_the_clusters_of_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    pair = [run(HOSTS, tmp_path, port, i) for i in range(2)]
    outs = [process.communicate(timeout=240)[0] for process in pair]
    for process, out in zip(pair, outs, strict=True):
        assert process.returncode == 0, out
    assert "RuntimeError k-means: process 1 failed" in outs[0]
    assert "ValueError Batch 0: expected finite" in outs[1]
    first, second = (np.load(tmp_path / x / "found.npz") for x in "01")
    for name in first.files:
        np.testing.assert_array_equal(first[name], second[name])
    expected = fit(pieces(), EXACT, start=START)
    for name in ("started", "empty"):
        np.testing.assert_allclose(first[name], expected.centroids, atol=4 * EPS)
    assert float(first["inertia"]) == pytest.approx(expected.inertia, rel=32 * EPS)
    rows, best = references.unit(ROWS), expected.inertia
    for i in range(2):
        found = references.distances(rows, first[f"seeded {i}"]).min(1).sum()
        assert found <= 1.01 * best


def test_a_sum_over_only_some_processes_is_refused():
    def twice(tree):
        return jax.tree.map(lambda x: x + x, tree)

    with pytest.raises(ValueError, match=r"adds over 2 processes, but .* has 1"):
        fit(pieces(), Config(K), reduce=twice)


def test_the_surface_is_as_the_module_says():
    assert streamed_kmeans.__all__ == ["Config", "Model", "assign", "fit", "reservoir"]
    model = fit(pieces(), Config(K))
    assert model.centroids.dtype == np.float32
    assert jax.tree.map(lambda x: x, model).passes == model.passes
