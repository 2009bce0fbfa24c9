"""States are integers: they add exactly and travel between hosts without loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uhseg_jax.metrics import states
from uhseg_jax.metrics.overlap import OverlapState
from uhseg_jax.metrics.regions import RegionState


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
