"""Evaluations of shapes, made once for a module."""

import functools

import pytest
from shapes import Shapes, read_json
from small_runs import CONFIG

from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import gallery
from uhseg_jax.runs import bootstrap
from uhseg_jax.runs.evaluate import evaluate


@pytest.fixture(scope="module")
def few_resamples():
    """Twenty in place of a thousand, which would take most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        few = functools.partial(bootstrap.weights, count=20)
        patch.setattr(bootstrap, "weights", few)
        yield


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.create(
        model="dinov2_test",
        method="recursive_spectral",
        config=CONFIG,
        refine="upsample",
    )


@pytest.fixture(scope="module")
def found(segmenter):
    """The shapes and what the method finds in them."""
    examples = [Shapes()[index] for index in range(5)]
    return [(x, segmenter([x.image])[0]) for x in examples]


@pytest.fixture(scope="module")
def whole(segmenter, few_resamples, tmp_path_factory):
    """The folder of a finished evaluation, which is not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    metrics = evaluate(segmenter, Shapes(), folder)
    assert read_json(folder / "metrics.json") == metrics
    return folder


@pytest.fixture
def truths(monkeypatch):
    """The ground truths that the gallery draws."""
    truths, draw = [], gallery.overlay

    def overlay(image, tree, *, truth, **kwargs):
        truths.append(truth)
        return draw(image, tree, truth=truth, **kwargs)

    monkeypatch.setattr(gallery, "overlay", overlay)
    return truths
