"""From the folder of a diffusers model to a checkpoint of ours, and what goes wrong."""

import dataclasses
import json
import os
import shutil

import flax.traverse_util
import huggingface_hub
import numpy as np
import pytest
from clip_vocabulary import byte_letters
from diffusers_folder import (
    MICRO,
    MICRO_TWO,
    all_tensors,
    params_of,
    part_tensors,
    weight_path,
    write_folder,
)
from safetensors.numpy import save_file

from uhseg_jax.backbones import (
    VARIANTS,
    Variant,
    WeightsError,
    convert_variant,
    load_backbone,
    prompt_ids,
    read_prompt,
)
from uhseg_jax.backbones.diffusion.model import abstract_params
from uhseg_jax.backbones.diffusion.names import DIFFUSION_NAMING
from uhseg_jax.backbones.weights.convert import convert_tensors
from uhseg_jax.backbones.weights.obtain import (
    obtain_weight_file,
    parts_of,
    weights_sha256,
)
from uhseg_jax.backbones.weights.readers import read_diffusers
from uhseg_jax.backbones.weights.sources import DiffusersSource

PARTS = ("unet", "vae", "text_encoder")
ABSTRACT = abstract_params(MICRO)


def flat(params) -> dict[str, np.ndarray]:
    return flax.traverse_util.flatten_dict(params, sep="/")


def assert_same(found, expected) -> None:
    found, expected = flat(found), flat(expected)
    assert set(found) == set(expected)
    for path, leaf in expected.items():
        np.testing.assert_array_equal(found[path], leaf, err_msg=path)


def converted(tensors, abstract=ABSTRACT):
    return convert_tensors(tensors, abstract, naming=DIFFUSION_NAMING)


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "published")
    return tmp_path / "published"


@pytest.fixture
def variant(monkeypatch) -> Variant:
    """A small diffusion model, known by name."""
    variant = Variant(
        name="micro",
        spec=MICRO,
        source=DiffusersSource(repository="somebody/micro", parts=PARTS),
        licence="MIT",
    )
    monkeypatch.setitem(VARIANTS._entries, variant.name, variant)
    return variant


@pytest.mark.parametrize("spec", [MICRO, MICRO_TWO], ids=["one", "two"])
def test_every_array_finds_its_parameter(spec):
    params = params_of(spec)
    assert_same(converted(all_tensors(params), abstract_params(spec)), params)


def test_names_of_published_files_are_known():
    def path(name):
        ((target, _, optional),) = DIFFUSION_NAMING.targets(name)
        assert not optional
        return target

    unet = "unet.down_blocks.0.attentions.1"
    block = "unet/down_blocks_0/attentions_1/transformer_blocks_0"
    for name, expected in (
        ("unet.conv_in.weight", "unet/conv_in/kernel"),
        ("unet.conv_norm_out.weight", "unet/conv_norm_out/scale"),
        (
            "unet.time_embedding.linear_1.bias",
            "unet/time_embedding/linear_1/bias",
        ),
        (
            f"{unet}.transformer_blocks.0.attn1.to_out.0.weight",
            f"{block}/attn1/to_out_0/kernel",
        ),
        (
            f"{unet}.transformer_blocks.0.ff.net.0.proj.weight",
            f"{block}/ff/net_0/proj/kernel",
        ),
        (f"{unet}.transformer_blocks.0.norm3.weight", f"{block}/norm3/scale"),
        (
            "vae.encoder.mid_block.attentions.0.group_norm.weight",
            "vae/encoder/mid_block/attentions_0/group_norm/scale",
        ),
        (
            "text_encoder.text_model.embeddings.token_embedding.weight",
            "text_encoder/text_model/embeddings/token_embedding/embedding",
        ),
        (
            "text_encoder.text_model.encoder.layers.11.self_attn.q_proj.weight",
            "text_encoder/text_model/encoder/layers_11/self_attn/q_proj/kernel",
        ),
        (
            "text_encoder_2.text_projection.weight",
            "text_encoder_2/text_projection/kernel",
        ),
    ):
        assert path(name) == expected
    assert DIFFUSION_NAMING.targets("unet.conv_in.weight_g") == []
    ignored = ("vae.decoder.conv_in.weight", "vae.post_quant_conv.bias")
    assert all(DIFFUSION_NAMING.ignored(name) for name in ignored)
    assert not DIFFUSION_NAMING.ignored("vae.quant_conv.bias")
    assert not DIFFUSION_NAMING.ignored("unet.decoder.weight")


@pytest.mark.parametrize("axes", [2, 4])
def test_old_names_of_the_autoencoders_attention_are_read(axes):
    params = params_of(MICRO)
    tensors = all_tensors(params)
    attention = "vae.encoder.mid_block.attentions.0"
    for new, old in (
        ("to_q", "query"),
        ("to_k", "key"),
        ("to_v", "value"),
        ("to_out.0", "proj_attn"),
    ):
        weight = tensors.pop(f"{attention}.{new}.weight")
        bias = tensors.pop(f"{attention}.{new}.bias")
        more = (1,) * (axes - 2)
        tensors[f"{attention}.{old}.weight"] = weight.reshape(*weight.shape, *more)
        tensors[f"{attention}.{old}.bias"] = bias
    assert_same(converted(tensors), params)
    tensors[f"{attention}.to_q.bias"] = tensors[f"{attention}.query.bias"]
    with pytest.raises(WeightsError, match=r"to_q.bias and .*query.bias both fill"):
        converted(tensors)


def test_text_encoders_without_the_name_of_the_model_are_read():
    params = params_of(MICRO)
    tensors = {
        name.replace("text_encoder.text_model.", "text_encoder."): array
        for name, array in all_tensors(params).items()
    }
    assert "text_encoder.final_layer_norm.bias" in tensors
    assert_same(converted(tensors), params)


def test_a_folder_becomes_a_checkpoint_that_loads(folder, variant, cache):
    path = convert_variant(variant, directory=cache, file=folder)
    backbone = load_backbone("micro", dtype="float32")
    assert_same(backbone.params, params_of(MICRO))
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["source"] == "file published"
    assert manifest["source_sha256"] == weights_sha256(folder, PARTS)
    assert manifest["beside"] == {}
    assert backbone.tokenizer is None
    # Its own checkpoint is a file to convert as well.
    again = convert_variant(variant, directory=cache / "again", file=path)
    copied = json.loads((again / "manifest.json").read_text())
    assert copied["params_sha256"] == manifest["params_sha256"]


def test_the_files_of_the_tokenizer_are_kept_and_verified(folder, variant, cache):
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text("{}")
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    path = convert_variant(variant, directory=cache, file=folder)
    backbone = load_backbone("micro", checkpoint_dir=cache, dtype="float32")
    assert backbone.tokenizer == path / "tokenizer"
    with pytest.raises(WeightsError, match=r"vocab\.json"):
        prompt_ids(backbone, "a cat")
    merges = path / "tokenizer" / "merges.txt"
    for damage in (lambda: merges.write_text("x"), merges.unlink):
        damage()
        with pytest.raises(WeightsError, match="It was not used"):
            load_backbone("micro", checkpoint_dir=cache, dtype="bfloat16")


def test_a_tokenizer_that_lies_elsewhere_or_has_no_end_is_refused(
    folder, variant, cache, tmp_path
):
    private = tmp_path / "private"
    private.write_text("{}")
    vocabulary = folder / "tokenizer" / "vocab.json"
    vocabulary.parent.mkdir()
    (folder / "tokenizer" / "merges.txt").touch()
    vocabulary.symlink_to(private)
    with pytest.raises(WeightsError, match=f"{vocabulary} is a link to a file outside"):
        convert_variant(variant, directory=cache, file=folder)
    vocabulary.unlink()
    vocabulary.touch()
    os.truncate(vocabulary, 1 << 30)
    with pytest.raises(WeightsError, match="has 1,073,741,824 bytes"):
        convert_variant(variant, directory=cache, file=folder)
    assert not list(cache.iterdir())


def test_a_prompt_is_read_with_the_files_that_came_with_the_weights(
    folder, variant, cache
):
    pytest.importorskip("tokenizers")
    letters = sorted(byte_letters())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    convert_variant(variant, directory=cache, file=folder)
    backbone = load_backbone("micro", checkpoint_dir=cache, dtype="float32")
    (ids,) = prompt_ids(backbone, "A cat")
    words = [vocabulary[x] for x in ("a</w>", "c", "a", "t</w>")]
    np.testing.assert_array_equal(ids[0], [512, *words, *[513] * 72])
    found, empty = (read_prompt(backbone, text).tokens for text in ("A cat", ""))
    np.testing.assert_allclose(found[:, 0], empty[:, 0], rtol=1e-6)
    assert np.abs(found - empty)[:, 1:5].max() > 1e-3


def test_only_the_files_that_are_read_count_in_the_digest(folder):
    before = weights_sha256(folder, PARTS)
    (folder / "vae" / "config.json").write_text("{}")
    (folder / "unet" / "diffusion_pytorch_model.non_ema.safetensors").write_text("x")
    assert weights_sha256(folder, PARTS) == before
    with weight_path(folder, "vae").open("ab") as stream:
        stream.write(b"\0")
    assert weights_sha256(folder, PARTS) != before


def test_halves_and_several_files_are_read_where_there_is_nothing_better(folder):
    expected = read_diffusers(folder, PARTS)
    unet = {
        name: array.astype(np.float16)
        for name, array in part_tensors(params_of(MICRO), "unet").items()
    }
    whole = weight_path(folder, "unet")
    # What is whole and in float32 comes first.
    save_file(unet, whole.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert read_diffusers(folder, PARTS)["unet.conv_in.weight"].dtype == np.float32
    whole.unlink()
    halves = read_diffusers(folder, PARTS)
    assert set(halves) == set(expected)
    assert halves["unet.conv_in.weight"].dtype == np.float16
    digests = {weights_sha256(folder, PARTS)}
    whole.with_name("diffusion_pytorch_model.fp16.safetensors").unlink()
    for index, middle in (("index", ""), ("index.fp16", ".fp16")):
        names = [f"diffusion_pytorch_model{middle}-{i}-of-2.safetensors" for i in "12"]
        shards = {name: names[len(name) % 2] for name in unet}
        for file in names:
            part = {name: unet[name] for name in unet if shards[name] == file}
            save_file(part, whole.with_name(file))
        path = whole.with_name(f"diffusion_pytorch_model.safetensors.{index}.json")
        path.write_text(json.dumps({"weight_map": shards}))
        found = read_diffusers(folder, PARTS)
        assert set(found) == set(expected)
        np.testing.assert_array_equal(
            found["unet.conv_in.weight"], unet["conv_in.weight"]
        )
        digests.add(weights_sha256(folder, PARTS))
        for file in (path, *(whole.with_name(name) for name in names)):
            file.unlink()
    assert len(digests) == 3


def test_a_part_that_is_missing_is_named_before_anything_is_read(
    folder, variant, tmp_path
):
    shutil.rmtree(folder / "vae")
    weight_path(folder, "text_encoder").unlink()
    with pytest.raises(WeightsError, match="no weights of vae and text_encoder"):
        obtain_weight_file(variant, directory=tmp_path, file=folder)
    file = weight_path(folder, "unet")
    with pytest.raises(WeightsError, match="expected the folder of a diffusers model"):
        obtain_weight_file(variant, directory=tmp_path, file=file)
    with pytest.raises(WeightsError, match="no weight file at"):
        obtain_weight_file(variant, directory=tmp_path, file=tmp_path / "none")


@pytest.mark.parametrize("kept", [0, 100, -10])
def test_a_truncated_part_is_named(folder, variant, cache, kept):
    path = weight_path(folder, "vae")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"vae/diffusion_pytorch_model.safetensors"):
        convert_variant(variant, directory=cache, file=folder)
    assert not list(cache.iterdir())


def test_a_damaged_index_is_named(folder, variant, cache):
    whole = weight_path(folder, "unet")
    index = whole.with_name("diffusion_pytorch_model.safetensors.index.json")
    whole.rename(whole.with_name("other.safetensors"))
    for text in ("{", "[]", '{"weight_map": {"a": "../b.safetensors"}}'):
        index.write_text(text)
        with pytest.raises(WeightsError, match=r"index\.json"):
            convert_variant(variant, directory=cache, file=folder)


def test_all_mismatches_come_in_one_message():
    tensors = all_tensors(params_of(MICRO))
    del tensors["unet.conv_out.bias"]
    tensors["unet.conv_in.weight"] = np.zeros((8, 9, 3, 3), np.float32)
    tensors["unet.up_blocks.5.resnets.0.norm1.bias"] = np.zeros(8, np.float32)
    tensors["unet.time_embedding.linear_1.weight"] = np.zeros((2, 3, 4), np.float32)
    tensors["vae.quant_conv.bias"] = np.zeros(8, np.int32)
    tensors["unet.alpha"] = np.zeros(1, np.float32)
    with pytest.raises(WeightsError) as caught:
        converted(tensors)
    message = str(caught.value)
    assert "6 mismatches" in message
    for sentence in (
        "unet/conv_out/bias [4] has no source",
        "unet/conv_in/kernel: expected shape [3, 3, 4, 8], found [3, 3, 9, 8]",
        "unet/up_blocks_5/resnets_0/norm1/bias, which the model lacks",
        "linear_1/kernel: shape [2, 3, 4] cannot be laid out",
        "vae/quant_conv/bias: expected floating point numbers, found int32",
        "unet.alpha [1] has no place",
    ):
        assert sentence in message


def test_another_model_is_refused(tmp_path, variant, cache, hub_variant):
    write_folder(tmp_path / "sd", MICRO_TWO)
    with pytest.raises(WeightsError, match="is it another model's file"):
        convert_variant(variant, directory=cache, file=tmp_path / "sd")
    # A Vision Transformer is in one file, or Orbax wrote its folder.
    with pytest.raises(WeightsError, match="as a folder that Orbax wrote"):
        convert_variant(hub_variant, directory=cache, file=tmp_path / "sd")


def test_the_hub_is_asked_for_the_parts_alone(folder, variant, cache, monkeypatch):
    asked = []

    def download(*args, **kwargs):
        asked.append((args, kwargs))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    path = convert_variant(variant, directory=cache)
    files = [str(weight_path(folder, part).relative_to(folder)) for part in PARTS]
    files += ["tokenizer/vocab.json", "tokenizer/merges.txt"]
    expected = {"revision": "main", "allow_patterns": files}
    assert asked == [(("somebody/micro",), expected)]
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["source"] == "hub somebody/micro@main"
    shutil.rmtree(folder / "unet")
    with pytest.raises(WeightsError, match="no weights of unet"):
        convert_variant(variant, directory=cache, overwrite=True)


def test_an_unreachable_hub_is_explained(variant, tmp_path, monkeypatch):
    def download(*args, **kwargs):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(WeightsError, match="Name or service not known") as caught:
        obtain_weight_file(variant, directory=tmp_path)
    assert "uhseg-convert --model=micro --file=PATH" in str(caught.value)
    assert "unet/diffusion_pytorch_model.safetensors" in str(caught.value)


def test_parts_are_those_of_diffusers_folders_alone(folder, variant, hub_variant):
    assert parts_of(variant, folder) == PARTS
    assert parts_of(hub_variant, folder) == ()
    (folder / "manifest.json").touch()
    assert parts_of(variant, folder) == ()
    two = dataclasses.replace(variant.source, parts=(*PARTS, "text_encoder_2"))
    assert "text_encoder_2/model.safetensors" in two.files
