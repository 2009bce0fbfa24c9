"""Every parameter of every method is described, and refused where it makes no sense."""

import dataclasses
import inspect
import json
import math
import re

import numpy as np
import pytest

import uhseg_jax
from uhseg_jax import methods

OUT_OF_RANGE = {
    "recursive_spectral": {
        "num_superpixels": [0, 12.0, None, True],
        "num_vectors": [0, 4.0],
        "kmeans_restarts": [0],
        "kmeans_iterations": [0],
        "contrast": [0, math.nan, math.inf, 10**400, "1", 1j, None],
        "rule": ["best", None],
        "max_depth": [-1, 2.5, 10**10],
        "max_children": [1],
        "max_ncut": [math.nan, -0.1, None],
        "max_eigenvalue": [math.nan],
        "max_perturbation": [math.nan],
        "split_restarts": [0],
        "max_regions": [0, -1],
        "seed": [-1, 2**32, 0.5],
    },
    "diffusion_walk": {
        "graph": ["cosine"],
        "steps": [0],
        "teleport": [0.0],
        "exponent": [0.0],
        "max_ncut": [-0.1, 1.5],
        "threshold_rule": ["best"],
        "min_size": [0],
        "max_depth": [10**10],
    },
    "multilevel_clustering": {
        "consistency": ["both", None],
        "regions": ["trees"],
        "dataset_clusters": [0, 2.5, True],
        "num_categories": [0],
        "majority": [-0.1, 1.1, math.nan],
        "temperature": [0, math.inf],
        "whitened": [-1],
        "crop_grid": [0],
        "seed": [-1],
    },
}


def make(method, **fields):
    """A config as users make it, without the type checks of this suite."""
    cls = methods.METHODS[method].config
    config = object.__new__(cls)
    inspect.unwrap(cls.__init__)(config, **fields)
    return config


@pytest.mark.parametrize("method", OUT_OF_RANGE)
def test_parameters_out_of_range_are_named(method):
    for field, values in OUT_OF_RANGE[method].items():
        for value in values:
            words = re.escape(f", but is {value!r}.")
            with pytest.raises(ValueError, match=f"^{field} must be .+{words}$"):
                make(method, **{field: value})


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_field_is_described(method):
    cls = methods.METHODS[method].config
    for described in (cls, type(cls().request)):
        words = set(re.findall(r"^ +(\w+): ", inspect.getdoc(described), re.M))
        assert {field.name for field in dataclasses.fields(described)} <= words


def test_the_default_of_a_method_of_a_paper_is_a_preset_of_that_paper():
    for name, presets in {
        "recursive_spectral": ("release", "paper"),
        "diffusion_walk": ("automatic", "random_walk"),
    }.items():
        method = methods.METHODS[name]
        assert method.preset() == method.config()
        assert method.preset() in [method.preset(x) for x in presets]


def test_what_is_as_good_as_a_parameter_is_converted():
    given = make(
        "recursive_spectral",
        num_superpixels=np.int64(8),
        contrast=np.float32(2),
        max_depth=np.uint8(3),
    )
    plain = make("recursive_spectral", num_superpixels=8, contrast=2.0, max_depth=3)
    assert given == plain
    assert hash(given) == hash(plain)
    texts = [json.dumps(dataclasses.asdict(config)) for config in (given, plain)]
    assert texts[0] == texts[1]


def test_features_of_one_image_are_not_enough_for_a_collection():
    with pytest.raises(ValueError, match="uhseg-segment --method=multilevel"):
        uhseg_jax.segment_features(
            np.ones((2, 2, 3), np.float32), method="multilevel_clustering"
        )


def test_settings_name_the_images_where_results_depend_on_all_of_them():
    for name, method in methods.METHODS.items():
        config = method.preset()
        one, other = (method.settings(config, x) for x in (["a", "b"], ["a", "c"]))
        assert (one == other) == (not method.passes)
        json.dumps(one)
        assert one["request"] == dataclasses.asdict(config.request), name
