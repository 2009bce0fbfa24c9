"""Which protocol scores a dataset."""

import numpy as np
import pytest

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.datasets.views import CroppedSource
from uhseg_jax.protocols import Scoring
from uhseg_jax.protocols.annotators import AnnotatorScorer
from uhseg_jax.protocols.classes import ClassScorer
from uhseg_jax.protocols.matched import MatchedScorer
from uhseg_jax.taxonomy import Taxonomy


class Blank:
    """One image, cut into regions by two people or not."""

    name = "blank"
    taxonomy = Taxonomy.parse("one = 1\n")

    def __init__(self, *, annotated):
        people = np.ones((2, 6, 8), np.uint8) if annotated else None
        labels = np.ones((6, 8), np.uint8)
        self._example = Example("0", np.zeros((6, 8, 3), np.uint8), labels, people)

    def __len__(self):
        return 1

    def fingerprint(self):
        return "blank"

    def __getitem__(self, index):
        del index
        return self._example


def test_the_default_is_the_best_region_of_images_as_they_are():
    scoring, plain = Scoring(), Blank(annotated=False)
    assert scoring.view(plain) is plain
    assert isinstance(scoring.scorer(plain), ClassScorer)
    assert isinstance(scoring.scorer(Blank(annotated=True)), AnnotatorScorer)


def test_zero_shot_segmenters_are_matched_on_crops():
    scoring, plain = Scoring("hungarian", crop=4), Blank(annotated=False)
    assert isinstance(scoring.view(plain), CroppedSource)
    assert scoring.view(plain)[0].labels.shape == (4, 4)
    assert isinstance(scoring.scorer(plain), MatchedScorer)
    assert scoring.scorer(plain).levels[0] > 10**6  # all leaves
    assert Scoring("hungarian", num_regions=5).scorer(plain).levels == (5,)


def test_regions_of_people_have_no_classes_to_match():
    with pytest.raises(DatasetError, match="blank: expected classes"):
        Scoring("hungarian").scorer(Blank(annotated=True))


def test_what_is_left_over_needs_a_background_to_go_to():
    with pytest.raises(DatasetError, match=r"blank: expected a background that gets"):
        Scoring("hungarian", background="rest").scorer(Blank(annotated=False))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"protocol": "greedy"}, "protocol must be 'best_region', 'instances', "),
        ({"crop": 0}, "crop must be an integer of at least 1 or None"),
        ({"protocol": "hungarian", "num_regions": -1}, "num_regions must be"),
        ({"protocol": "hungarian", "background": "all"}, "background must be 'class'"),
        ({"background": "rest"}, "'best_region' takes no background"),
        ({"num_regions": 4}, "'best_region' takes no num_regions, .* 'hungarian' only"),
        (
            {"protocol": "hungarian", "boundaries": True},
            "'hungarian' takes no boundaries, .* 'best_region'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Scoring(**fields)
