import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.spectral.streamed_kmeans import stream

ROWS = np.random.default_rng(0).normal(size=(9001, 3)).astype(np.float32)


def cut(rows, *places):
    return lambda: np.split(rows, places)


@pytest.mark.parametrize("rows_per_batch", [1000, 4096, 8192])
def test_batches_hold_the_rows_in_their_order_whatever_the_pieces(rows_per_batch):
    for places in [(), (1, 2, 5000), (4096, 4096, 8999), range(0, 9001, 700)]:
        batches = stream.deal(cut(ROWS, *places), rows_per_batch, num_tiles=2)
        parts = [batch.rows.copy() for batch in batches]
        assert all(len(part) == rows_per_batch for part in parts[:-1])
        np.testing.assert_array_equal(np.concatenate(parts), ROWS)


def test_batches_have_one_shape():
    shapes = {x.tiles.shape for x in stream.deal(cut(ROWS, 7), 5000, num_tiles=2)}
    assert shapes == {(2, stream.TILE, 3)}


def test_any_kind_of_number_is_taken():
    kinds = [np.uint8, np.int64, np.float16, np.float64, jnp.bfloat16, jnp.float32]
    pieces = [np.full((2, 3), 5).astype(x) for x in kinds]
    pieces.append(jnp.full((2, 3), 5, jnp.bfloat16))
    (batch,) = stream.deal(lambda: pieces, 100, num_tiles=1)
    np.testing.assert_array_equal(batch.rows, np.full((14, 3), 5, np.float32))


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        (np.full((3, 3), np.nan), r"Batch 1: expected finite.*row 0 and 2 more of"),
        (np.full((1, 3), 1e300), r"Batch 1: expected finite"),
        (np.ones((2, 4)), r"Batch 1: expected rows of 3 .* found 4"),
        (np.ones((2, 2, 3)), r"Batch 1: .* \[n, d\], but found float64 .*\[2, 2, 3\]"),
        (np.ones((2, 3), bool), r"Batch 1: expected numbers .* found bool"),
        ([[1.0, 2.0, 3.0]], r"Batch 1: expected an array .* found a list"),
    ],
)
def test_a_bad_piece_is_named(piece, words):
    with pytest.raises(ValueError, match=words):
        list(stream.deal(lambda: [ROWS[:4], piece], 100, num_tiles=1))


def test_large_finite_numbers_are_no_infinity():
    rows = np.full((4, 3), np.finfo(np.float32).max)
    (batch,) = stream.deal(lambda: [rows], 100, num_tiles=1)
    np.testing.assert_array_equal(batch.rows, rows)


def test_a_sample_does_not_depend_on_the_pieces():
    whole = stream.reservoir(cut(ROWS), 50, seed=3)
    assert whole.shape == (50, 3)
    for places in [(1, 2, 5000), range(0, 9001, 333)]:
        again = stream.reservoir(cut(ROWS, *places), 50, seed=3)
        np.testing.assert_array_equal(whole, again)
    assert not np.array_equal(whole, stream.reservoir(cut(ROWS), 50, seed=4))


def test_a_sample_has_no_row_twice_and_keeps_their_order():
    rows = np.arange(9001, dtype=np.float32)[:, None]
    sample = stream.reservoir(cut(rows, 4000), 700, seed=0)[:, 0]
    assert (np.diff(sample) > 0).all()


def test_a_sample_of_few_rows_is_all_of_them():
    np.testing.assert_array_equal(stream.reservoir(cut(ROWS), 10_000, seed=0), ROWS)
    assert stream.reservoir(lambda: [], 5, seed=0).shape == (0, 0)


def test_every_row_is_sampled_equally_often():
    rows = np.arange(40, dtype=np.float32)[:, None]
    hits = np.zeros(40)
    for seed in range(500):
        hits[stream.reservoir(cut(rows, 9), 10, seed=seed)[:, 0].astype(int)] += 1
    # 500 draws of probability 1/4: the sum of squared deviations is chi-squared with 39
    # degrees of freedom, after the correction for draws without replacement.
    chi = np.sum((hits - 125) ** 2) / (500 * 0.25 * 0.75) * 39 / 40
    assert 14 < chi < 80  # probability of a false alarm below 3e-4


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=6), st.integers(1, 12)
)
def test_the_lowest_are_those_of_a_stable_sort(pieces, size):
    lowest = stream.Lowest(size)
    keys = np.asarray([float(x) for piece in pieces for x in piece])
    places = np.arange(len(keys), dtype=np.float32)[:, None]
    keys[keys == 6] = np.inf  # never kept
    begin = 0
    for piece in pieces:
        end = begin + len(piece)
        lowest.offer(keys[begin:end], places[begin:end])
        begin = end
    order = np.argsort(keys, kind="stable")[:size]
    expected = np.sort(order[np.isfinite(keys[order])])
    found_keys, found = lowest.values()
    np.testing.assert_array_equal(found.reshape(-1), expected)
    np.testing.assert_array_equal(found_keys, keys[expected])
    assert lowest.seen == len(keys)
