"""States are integers: they add exactly and travel between hosts without loss."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uhseg_jax.metrics import states
from uhseg_jax.metrics.overlap import OverlapState
from uhseg_jax.metrics.regions import RegionState
from uhseg_jax.metrics.rows import Rows
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.runs import hosts
from uhseg_jax.types import Int


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=50), data=st.data())
def test_sums_do_not_depend_on_the_order(values, data):
    shuffled = data.draw(st.permutations(values))
    first, second = (
        sum(states.to_fixed_point(x) for x in order) for order in (values, shuffled)
    )
    assert first == second
    total = states.from_fixed_point(np.asarray(first))
    assert total == pytest.approx(np.sum(values), abs=1e-12 * len(values))


def test_one_is_one():
    ones = states.to_fixed_point(np.ones(3))
    assert states.mean(ones.sum(keepdims=True), np.asarray(3)).tolist() == [1.0]


def test_a_ratio_to_nothing_is_not_a_number():
    found = states.ratio(np.array([1, 0]), np.array([4, 0]))
    np.testing.assert_array_equal(found, [0.25, np.nan])


@pytest.mark.parametrize("empty", [OverlapState.empty(7), RegionState.empty(3)])
def test_words_give_the_state_back(empty):
    rng = np.random.default_rng(0)
    numbers = states.to_words(empty).view(np.int64)
    numbers = rng.integers(-(2**62), 2**62, numbers.shape)
    state = states.from_words(numbers.view(np.int32), empty)
    words = states.to_words(state)
    assert words.dtype == np.int32
    np.testing.assert_array_equal(words.view(np.int64), numbers)
    assert states.merge_all([state, empty, empty]).compute().keys() == (
        empty.compute().keys()
    )


def test_words_of_another_state_are_refused():
    words = states.to_words(OverlapState.empty(7))
    with pytest.raises(ValueError, match=r"expected \d+ words .* but got \d+"):
        states.from_words(words, OverlapState.empty(8))


@pytree_dataclass
class Listed(states.Additive):
    """A state that lists what it saw: one sum, rows, and a vector."""

    total: Int[np.ndarray, ""]
    seen: Rows
    sums: Int[np.ndarray, " 2"]


def listed(rows):
    values = np.asarray(rows, np.int64).reshape(-1, 2)
    return Listed(np.asarray(values.sum()), Rows(values), values.sum(axis=0))


def contents(state):
    """What a state holds, as plain Python."""
    rows = collections.Counter()
    for row, count in zip(state.seen.values, state.seen.counts, strict=True):
        rows[tuple(row.tolist())] += int(count)
    return int(state.total), +rows, state.sums.tolist()


images = st.lists(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(-1, 1)), max_size=4),
    min_size=1,
    max_size=6,
)


@given(images=images, data=st.data())
def test_rows_are_the_same_in_whatever_order_images_are_merged(images, data):
    shuffled = data.draw(st.permutations(images))
    one = states.merge_all(map(listed, images))
    cut = data.draw(st.integers(0, len(images)))
    empty = listed([])
    first, second = (
        states.merge_all([empty, *map(listed, part)])
        for part in (shuffled[:cut], shuffled[cut:])
    )
    again = states.merge(second, first)
    np.testing.assert_array_equal(one.seen.values, again.seen.values)
    assert sorted(map(tuple, one.seen.values)) == list(map(tuple, one.seen.values))
    assert (
        contents(one)
        == contents(again)
        == contents(listed(list(itertools.chain(*images))))
    )
    assert len(one.seen) == sum(map(len, images))
    assert contents(states.subtract(again, first)) == contents(second)
    words = states.to_words(again)
    assert words.dtype == np.int32
    assert contents(states.from_words(words, empty)) == contents(one)


@given(images=images, data=st.data())
def test_a_weight_is_so_many_copies_of_an_image(images, data):
    weights = data.draw(st.tuples(*[st.integers(0, 3)] * len(images)))
    stacked = states.stack([listed(image) for image in images])
    total = stacked.total(np.array(weights))
    copies = [listed(x) for x, k in zip(images, weights, strict=True) for _ in range(k)]
    assert contents(total) == contents(states.merge_all([listed([]), *copies]))
    ones = stacked.total(np.ones(len(images), int))
    assert total.seen.values is ones.seen.values  # sorted once
    words = states.to_words(total)
    assert contents(states.from_words(words, listed([]))) == contents(total)


def test_totals_of_states_without_rows_are_their_sums():
    rng = np.random.default_rng(0)
    empty = OverlapState.empty(3)
    size = states.to_words(empty).size // 2
    numbers = rng.integers(-(2**58), 2**58, (4, size))
    several = [states.from_words(x.view(np.int32), empty) for x in numbers]
    total = states.stack(several).total(np.array([0, 1, 3, 1]))
    expected = numbers.T @ [0, 1, 3, 1]
    np.testing.assert_array_equal(states.to_words(total).view(np.int64), expected)


def test_rows_that_do_not_fit_are_refused():
    words = states.to_words(listed([(1, 2), (3, 4)]))
    for cut in (words[:-2], words[:2], np.concatenate([words, words[:2]])):
        with pytest.raises(ValueError, match="expected 8 words and the rows"):
            states.from_words(cut, listed([]))
    with pytest.raises(ValueError, match="only a part"):
        states.subtract(listed([(1, 2)]), listed([(1, 3)]))
    with pytest.raises(ValueError, match="only states of the same metric"):
        states.stack([OverlapState.empty(3), OverlapState.empty(4)])
    with pytest.raises(ValueError, match="expected 2 weights of at least 0"):
        states.stack([listed([]), listed([])]).total(np.array([1, -1]))


def test_hosts_gather_states_of_unequal_lengths(monkeypatch):
    parts = [listed([(1, 2), (3, 4)]), listed([(0, 5)])]
    sent = [states.to_words(part) for part in parts]
    padded = np.zeros((2, max(map(len, sent))), np.int32)
    for row, words in zip(padded, sent, strict=True):
        row[: len(words)] = words

    def process_allgather(words):
        if words.size == 1:
            return np.array([[len(x)] for x in sent], np.int32)
        np.testing.assert_array_equal(words, padded[1])
        return padded

    monkeypatch.setattr(hosts, "count", lambda: 2)
    monkeypatch.setattr(hosts, "_wait_for_all", lambda: None)
    monkeypatch.setattr(hosts.multihost_utils, "process_allgather", process_allgather)
    gathered = hosts.gather(sent[1])
    found = states.merge_all(states.from_words(x, listed([])) for x in gathered)
    assert contents(found) == contents(states.merge(*parts))
