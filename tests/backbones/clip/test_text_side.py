"""The text side of CLIP: from a file of the whole model to what reads labels."""

import json

import flax.traverse_util
import huggingface_hub
import numpy as np
import pytest
from clip_models import SPEC, hugging_face, openai, text_side_params, write_model

from uhseg_jax.backbones import (
    TEXT_SIDES,
    VARIANTS,
    PatchRequest,
    Variant,
    WeightsError,
    can_answer,
    convert_variant,
    get_variant,
    labels_models,
    load_backbone,
    load_clip,
    num_parameters,
    text_side_of,
)
from uhseg_jax.backbones.clip.model import abstract_params
from uhseg_jax.backbones.clip.names import TEXT_SIDE_NAMING
from uhseg_jax.backbones.clip.spec import TextSideSpec
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.weights.convert import convert_tensors
from uhseg_jax.backbones.weights.sources import HubSource

# Of the whole models, as transformers counts them.
PUBLISHED = {
    "clip_vitb32": 151_277_313,
    "clip_vitb16": 149_620_737,
    "clip_vitl14": 427_616_513,
}


def flat(params) -> dict[str, np.ndarray]:
    return flax.traverse_util.flatten_dict(params, sep="/")


def converted(tensors):
    return flat(
        convert_tensors(tensors, abstract_params(SPEC), naming=TEXT_SIDE_NAMING)
    )


@pytest.fixture
def variant(monkeypatch) -> Variant:
    """The text side of ``clip_test`` with weights to convert."""
    source = HubSource(repository="somebody/micro", has_tokenizer=True)
    made = Variant(name="clip_test_text", spec=SPEC, source=source, licence="MIT")
    monkeypatch.setitem(TEXT_SIDES._entries, made.name, made)
    return made


@pytest.mark.parametrize("naming", [hugging_face, openai])
def test_every_array_finds_its_parameter(naming):
    params = text_side_params()
    found = converted(naming(params))
    assert set(found) == set(params)
    for path, array in params.items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)
    wrapped = {f"module.{name}": array for name, array in naming(params).items()}
    assert set(converted(wrapped)) == set(params)


def test_a_factor_in_an_array_of_one_is_read():
    tensors = openai(text_side_params())
    tensors["logit_scale"] = tensors["logit_scale"].reshape(1)
    assert converted(tensors)["logit_scale"].shape == ()


def test_an_image_encoder_alone_has_no_text_side():
    tensors = {
        name: array
        for name, array in hugging_face(text_side_params()).items()
        if name.startswith("vision_model.")
    }
    with pytest.raises(WeightsError, match=r"logit_scale .* has no source"):
        converted(tensors)


@pytest.mark.parametrize("model", PUBLISHED)
def test_both_sides_have_the_published_parameters(model):
    side = text_side_of(model)
    assert num_parameters(side.spec) == side.parameters
    image = VARIANTS[model]
    assert side.parameters + num_parameters(image.spec) == PUBLISHED[model]
    assert side.spec.image_width == image.spec.width
    assert (side.source.repository, side.source.file, side.licence) == (
        image.source.repository,
        image.source.file,
        image.licence,
    )


def test_models_for_labels_are_those_with_a_text_side():
    assert labels_models() == (*PUBLISHED, "clip_test")
    assert {get_variant(f"{x}_text") for x in labels_models()} == {*TEXT_SIDES.values()}
    test = text_side_of("clip_test")
    assert num_parameters(test.spec) == test.parameters
    with pytest.raises(ValueError, match=r"'clip_vitb61'.* Did you mean 'clip_vitb16'"):
        text_side_of("clip_vitb61")


def test_a_text_side_answers_nothing_of_an_image():
    assert not can_answer(SPEC, PatchRequest())
    with pytest.raises(ValueError, match=r"the text side of a CLIP.* sees no image"):
        load_backbone("clip_test_text").answer(
            np.zeros((8, 8, 3), np.uint8), PatchRequest()
        )


def test_a_text_side_needs_a_projection():
    with pytest.raises(ValueError, match="needs a projection"):
        TextSideSpec(text=TextEncoderSpec())


def test_a_file_becomes_a_checkpoint_that_reads_labels(variant, cache, tmp_path):
    pytest.importorskip("tokenizers")
    file = write_model(tmp_path / "published", text_side_params())
    path = convert_variant(variant, directory=cache, file=file)
    clip = load_clip("clip_test", dtype="float32")
    assert clip.text.tokenizer == path / "tokenizer"
    assert clip.scale == pytest.approx(np.exp(text_side_params()["logit_scale"]))
    vectors = clip.labels([["a cat", "the cat"], ["the cat", "a cat"], ["a photo"]])
    assert vectors.shape == (3, 20)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-5, atol=1e-6)
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-2
    # Its own checkpoint is a file to convert as well.
    again = convert_variant(variant, directory=cache / "again", file=path)
    digests = [
        json.loads((x / "manifest.json").read_text())["params_sha256"]
        for x in (path, again)
    ]
    assert digests[0] == digests[1]


def test_without_the_files_of_the_tokenizer_nothing_is_converted(
    variant, cache, tmp_path
):
    file = write_model(tmp_path / "published", text_side_params())
    (file.parent / "merges.txt").unlink()
    with pytest.raises(WeightsError, match=r"expected them beside .* no merges\.txt"):
        convert_variant(variant, directory=cache, file=file)
    assert not (cache / variant.name).exists()


def test_the_hub_gives_the_files_of_the_tokenizer_too(
    variant, cache, tmp_path, monkeypatch
):
    file = write_model(tmp_path / "published", text_side_params())
    asked = []

    def download(repository, name, **kwargs):
        asked.append(name)
        return str(file.parent / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    path = convert_variant(variant, directory=cache)
    assert asked == ["model.safetensors", "vocab.json", "merges.txt"]
    assert (path / "tokenizer" / "vocab.json").is_file()
