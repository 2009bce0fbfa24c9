"""Refiners by their names, and one after the other."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.refinement.config import DEFAULT_REFINE, Refinement, resolve_refinement
from uhseg_jax.refinement.dense_crf import DenseCRF
from uhseg_jax.refinement.label_columns import WIDTH, softmax
from uhseg_jax.refinement.pamr import Pamr
from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.refinement.refiners import (
    REFINERS,
    Refiner,
    parse_refiners,
    run_refiners,
)


@dataclasses.dataclass(frozen=True)
class Power:
    """Raises probabilities to a power and keeps what it was given."""

    name: ClassVar[str] = "power"
    summary: ClassVar[str] = "a power"

    exponent: float = 2.0
    given: list = dataclasses.field(default_factory=list, compare=False)

    def __call__(self, logits, pixels):
        del pixels
        self.given.append(logits)
        return softmax([self.exponent * x for x in logits])


def grid():
    return PixelGrid.of(np.zeros((1, 1, 3), np.uint8), 1)


def of_columns(values):
    """One row of labels as arrays of their columns."""
    padded = np.full(-len(values) % WIDTH + len(values), -1e30, np.float32)
    padded[: len(values)] = values
    return [jnp.asarray(x[None]) for x in np.split(padded, len(padded) // WIDTH)]


def joined(columns):
    return np.concatenate([x[0] for x in columns])


def test_refiners_run_in_order_on_what_the_one_before_gave():
    first, second = Power(), Power(0.5)
    assert isinstance(first, Refiner)
    p = np.zeros(WIDTH + 1, np.float32)  # the last label is in an array of its own
    p[:3], p[-1] = (0.5, 0.1 - 1e-4, 1e-4), 0.4
    logits = of_columns(np.log(np.maximum(p, np.float32(1e-30))))
    squares = p**2 / (p**2).sum()
    count = len(p)
    found = joined(run_refiners((), logits, grid(), count))
    np.testing.assert_allclose(found[:count], p, atol=1e-6)
    once = joined(run_refiners((first,), logits, grid(), count))
    np.testing.assert_allclose(once[:count], squares, atol=1e-6)
    twice = joined(run_refiners((first, second), logits, grid(), count))
    # Certainty is limited between refiners; a column without a label stays absent.
    limited = np.maximum(squares, 1e-5)
    given = joined(second.given[0])
    np.testing.assert_allclose(np.exp(given[:count]), limited, rtol=1e-4)
    np.testing.assert_array_equal(given[count:], np.float32(-1e30))
    roots = np.sqrt(limited) / np.sqrt(limited).sum()
    np.testing.assert_allclose(twice[:count], roots, rtol=1e-4)
    assert twice[count:].max() < 1e-12


def test_names_are_read():
    assert parse_refiners("none") is None is parse_refiners(None)
    assert parse_refiners("upsample") == () == parse_refiners(())
    assert parse_refiners("crf") == (DenseCRF(),)
    assert parse_refiners("pamr, crf") == (Pamr(), DenseCRF())
    assert parse_refiners(["crf", Pamr(3)]) == (DenseCRF(), Pamr(3))
    assert parse_refiners("crf", {"crf": DenseCRF(iterations=1)})[0].iterations == 1
    for wanted, sentence in {
        "upsampled": "expected none, upsample, or one or more of pamr, crf.*'upsample'",
        "pamr,crt": r"unknown refiner 'crt'.*Did you mean 'crf'",
        "none,pamr": "unknown refiner 'none'",
        "crf,crf": "every refiner once",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            parse_refiners(wanted)


@pytest.mark.parametrize("name", ["none", "upsample", *REFINERS, DEFAULT_REFINE])
def test_refinements_have_the_names_they_are_made_by(name):
    refinement = resolve_refinement(name)
    assert refinement.name == name == refinement.to_dict()["refiners"]
    assert refinement == Refinement(parse_refiners(name))
    assert resolve_refinement(refinement) is refinement
    assert (refinement == resolve_refinement(None)) == (name == DEFAULT_REFINE)
    hash(refinement)


def test_records_hold_the_constants_of_the_refiners_that_run():
    found = Refinement((Pamr(3, (1, 2)),), kernel="joint").to_dict()
    assert found["kernel"] == "joint"
    assert found["pamr"] == {"num_iterations": 3, "dilations": (1, 2), "width": 0.1}
    assert "crf" not in found


def test_the_documentation_lists_every_refiner():
    page = (Path(__file__).parents[2] / "docs" / "start" / "python.md").read_text()
    for name, refiner in REFINERS.items():
        assert f"| `{name}` | that, after {refiner.summary} |" in page


@pytest.mark.parametrize(
    ("make", "fields", "sentence"),
    [
        (Refinement, {"refiners": (Pamr(), Pamr(1))}, "refiners must be None, or"),
        (Refinement, {"kernel": "cubic"}, "kernel must be"),
        (Refinement, {"temperature": 0.0}, "temperature must be"),
        (Refinement, {"locality": -1.0}, "locality must be"),
        (Refinement, {"min_area": 2.0}, "min_area must be a share from 0 to 1"),
        (Refinement, {"max_megapixels": float("nan")}, "max_megapixels must be"),
        (Pamr, {"num_iterations": -1}, "num_iterations must be an integer of at least"),
        (Pamr, {"dilations": ()}, "dilations must be 1 to 16 distances of at least 1"),
        (Pamr, {"dilations": (1, 0)}, "dilations must be 1 to 16 distances"),
        (Pamr, {"dilations": (1,) * 17}, "dilations must be 1 to 16 distances"),
        (Pamr, {"width": 0.0}, "width must be a number above 0"),
        (DenseCRF, {"gaussian_sigma": 0.0}, "gaussian_sigma must be"),
        (DenseCRF, {"bilateral_sigma_rgb": float("inf")}, "bilateral_sigma_rgb must"),
        (DenseCRF, {"bilateral_weight": -1.0}, "bilateral_weight must be"),
        (DenseCRF, {"gaussian_weight": float("nan")}, "gaussian_weight must be"),
        (DenseCRF, {"iterations": -1}, "iterations must be"),
    ],
)
def test_parameters_out_of_range_are_named(make, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**fields)
