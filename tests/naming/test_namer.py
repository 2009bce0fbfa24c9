"""Names of regions: planted vectors for the rules, a tiny CLIP from end to end."""

import numpy as np
import pytest
from trees import make_tree

import uhseg_jax
from uhseg_jax.backbones import Clip
from uhseg_jax.naming.namer import Namer
from uhseg_jax.naming.options import OTHERS, TEMPLATES, NamingOptions, parse_labels

LABELS = ("dog", "grass", "sky")
# Three stripes; the first two make a region of their own.
STRIPES = np.repeat(np.array([[3], [4], [2]], np.int32), 4, axis=0).repeat(6, axis=1)
TREE = make_tree(STRIPES, [-1, 0, 0, 1, 1], [0, 1, 1, 2, 2], [0, 0.1, 0.2, 0.3, 0.4])


class Planted(Clip):
    """Patches and labels along the axes of a space."""

    scale = 50.0

    def __init__(self, axes):
        object.__setattr__(self, "axes", np.array(axes))

    def patches(self, image, grid=None):
        return np.eye(8, dtype=np.float32)[self.axes][:, None].repeat(6, axis=1)


def named(axes, *, texts=5, **options):
    """The names of the stripes whose patches lie along axes of texts."""
    namer = Namer(
        Planted(np.repeat(axes, 4)),
        NamingOptions(LABELS, **options),
        np.eye(8, dtype=np.float32)[:texts],
    )
    names = namer(TREE, np.zeros((12, 6, 3), np.uint8))
    assert len(names) == 5
    return names, [names[node] for node in range(5)]


def test_a_region_is_called_by_the_label_that_it_fits():
    names, found = named([0, 0, 2])
    assert found[1:] == ["dog", "sky", "dog", "dog"]
    assert names.nodes("dog").tolist() == [0, 1, 3, 4]
    assert names.nodes("grass").size == 0
    assert names.probabilities.shape == (5, 3)
    # By hand: the root is 8 parts along the first axis and 4 along the third.
    cosines = np.array([8, 0, 4, 0, 0]) / np.hypot(8, 4)
    weights = np.exp(50 * cosines)
    np.testing.assert_allclose(
        names.probabilities[0], (weights / weights.sum())[:3], rtol=1e-4, atol=1e-7
    )
    with pytest.raises(ValueError, match="unknown label 'cat'; expected one of dog"):
        names.nodes("cat")


def test_what_fits_other_texts_better_has_no_name():
    _, found = named([0, 3, 4])
    assert found[2:] == [None, "dog", None]


def test_below_the_threshold_there_is_no_name():
    # The halves of the second node fit two labels.
    _, found = named([0, 1, 1], threshold=0.6)
    assert found == ["grass", None, "grass", "dog", "grass"]
    assert named([0, 1, 1], threshold=0.4)[1][1] == "dog"


def test_a_higher_temperature_is_less_sure():
    names, found = named([0, 1, 2], temperature=10.0)
    assert found == [None] * 5
    assert names.probabilities.max() < 0.3
    assert named([0, 1, 2], temperature=10.0, threshold=0.0)[1][3] == "dog"


def test_labels_are_texts_between_commas():
    assert parse_labels(" dog,wet   grass ,\tsky") == ("dog", "wet grass", "sky")
    assert parse_labels(["a, b", "c"]) == ("a, b", "c")
    assert NamingOptions((" dog", "cat")).labels == ("dog", "cat")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("", "one of them is empty"),
        ("dog,,sky", "one of them is empty"),
        ([], "one of them is empty"),
        ("dog, Dog", "every label once, but 'Dog' is there twice"),
        ("dog, region", "what regions without a name are called"),
        ("x" * 201, "at most 200 printable characters"),
        ("do\x07g", "at most 200 printable characters"),
        (map(str, range(10_001)), "at most 10,000 labels"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_labels(labels)


@pytest.mark.parametrize(
    "options",
    [
        {"templates": ("no place",)},
        {"templates": ()},
        {"temperature": 0.0},
        {"threshold": 1.5},
        {"grid": 0},
    ],
)
def test_options_that_cannot_be_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be"):
        NamingOptions(LABELS, **options)


def test_a_label_stands_in_every_template_and_others_are_never_labels():
    texts = NamingOptions(("dog", "Background")).texts
    assert [len(x) for x in texts] == [len(TEMPLATES)] * 3
    assert texts[0][0] == "a photo of a dog."
    assert texts[2][0] == f"a photo of a {OTHERS[1]}."
    # A brace in a label is a brace.
    assert NamingOptions(("{}",), templates=("a {}",), others=()).texts == [["a {}"]]


def test_an_image_and_its_tree_are_named_by_a_model():
    image = np.zeros((12, 6, 3), np.uint8)
    image[:4], image[4:8, :, 0] = 200, 255
    one, again = (
        uhseg_jax.name_regions(
            TREE, image, "dog, grass", model="clip_test", threshold=0.0, grid=3
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.probabilities, again.probabilities)
    assert one.probabilities.shape == (5, 2)
    assert np.isfinite(one.probabilities).all()
    assert (one.probabilities.sum(axis=1) <= 1).all()
    assert (one.probabilities[3] != one.probabilities[2]).any()
    with pytest.raises(ValueError, match=r"unknown model for labels 'dinov2_vits14'"):
        uhseg_jax.name_regions(TREE, image, "dog", model="dinov2_vits14")


def test_weights_that_cannot_be_had_are_one_sentence(tmp_path, monkeypatch):
    import huggingface_hub

    def download(*args, **kwargs):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(
        uhseg_jax.backbones.WeightsError,
        match=r"--model=clip_vitb16_text --file=PATH.*--model=clip_vitb16 --file=PATH",
    ) as caught:
        uhseg_jax.name_regions(TREE, STRIPES, "dog", checkpoint_dir=tmp_path)
    assert "\n" not in str(caught.value)
