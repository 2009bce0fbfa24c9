"""Tables of named things, and what they say of a name that they lack."""

import dataclasses

import pytest

from uhseg_jax.registry import Registry, suggest


@dataclasses.dataclass(frozen=True)
class Fruit:
    name: str


def test_entries_are_found_by_name_in_the_order_given():
    fruit = Registry("fruit", [Fruit("pear"), Fruit("apple")])
    assert list(fruit) == ["pear", "apple"]
    assert fruit["apple"] is fruit.find("apple")
    assert len(fruit) == 2
    assert "plum" not in fruit


def test_an_unknown_name_is_answered_with_those_that_are_known():
    fruit = Registry("fruit", [Fruit("pear"), Fruit("apple")])
    expected = "unknown fruit 'aple'; expected one of pear, apple. Did you mean 'apple'"
    with pytest.raises(ValueError, match=expected):
        fruit.find("aple")
    with pytest.raises(ValueError, match=r"one of pear, apple\.$"):
        fruit.find("xyz")


def test_nothing_is_suggested_where_nothing_is_close():
    assert suggest("abc", ["abd", "xyz"]) == " Did you mean 'abd'?"
    assert suggest("abc", ["xyz"]) == ""


def test_two_entries_of_one_name_are_refused():
    with pytest.raises(
        ValueError, match=r"every fruit under a name of its own.*'pear'"
    ):
        Registry("fruit", [Fruit("pear"), Fruit("apple"), Fruit("pear")])
