"""Fields of frozen configs that say in their annotation what they may hold."""

import dataclasses
import math
from typing import Annotated

import numpy as np
import pytest

from uhseg_jax.validators import (
    INTEGERS,
    POSITIVE,
    SEED,
    SHARE,
    SIDES,
    TEXT,
    Validated,
    integer,
    one_of,
    optional,
)


@dataclasses.dataclass(frozen=True)
class Config(Validated):
    count: Annotated[int, integer(1, 9)] = 3
    limit: Annotated[int | None, optional(integer(1))] = None
    rule: Annotated[str, one_of("a", "b")] = "a"
    width: Annotated[float, POSITIVE] = 1.0
    share: Annotated[float, SHARE] = 0.5
    size: Annotated[int | tuple[int, int], SIDES] = 8
    blocks: Annotated[tuple[int, ...], INTEGERS] = (-1,)
    name: Annotated[str, TEXT] = ""
    seed: Annotated[int, SEED] = 0
    free: object = None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("count", 0, "count must be an integer from 1 to 9, but is 0."),
        ("count", 2.5, "an integer from 1 to 9, but is 2.5"),
        ("count", True, "but is True"),
        ("limit", 0, "an integer of at least 1 or None, but is 0"),
        ("rule", "c", "rule must be 'a' or 'b', but is 'c'"),
        ("width", 0.0, "width must be a finite number above 0"),
        ("width", math.inf, "width"),
        ("share", math.nan, "share must be a share from 0 to 1, but is nan"),
        ("share", "0.5", "share"),
        ("size", (8, 0), "a side or a pair"),
        ("size", (8, 8, 8), "a side or a pair"),
        ("blocks", (), "one or more integers"),
        ("name", 3, "name must be a text"),
        ("seed", 2**32, "seed"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_was_expected(field, value, message):
    with pytest.raises(ValueError, match=field) as caught:
        Config(**{field: value})
    assert message in str(caught.value)


def test_numpy_numbers_and_lists_become_equal_hashable_configs():
    given = Config(
        count=np.int64(4), width=np.float32(0.5), size=[4, 6], blocks=np.array([-2, -1])
    )
    assert given == Config(count=4, width=0.5, size=(4, 6), blocks=(-2, -1))
    assert hash(given) == hash(Config(count=4, width=0.5, size=(4, 6), blocks=(-2, -1)))
    assert type(given.count) is int
    assert type(given.width) is float
    assert Config(limit=None).limit is None


def test_fields_without_a_validator_hold_anything():
    assert Config(free=[1]).free == [1]
