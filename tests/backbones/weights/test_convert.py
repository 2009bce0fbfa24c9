import dataclasses
import weakref
from pathlib import Path

import checkpoint_names
import flax.traverse_util
import numpy as np
import pytest
from hugging_face import TINY, hugging_face_tensors

from uhseg_jax.backbones import VARIANTS, ViTSpec, WeightsError
from uhseg_jax.backbones.vit.model import abstract_params
from uhseg_jax.backbones.weights.convert import convert_tensors
from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, Stored

ABSTRACT = abstract_params(TINY)


def flat(params) -> dict[str, np.ndarray]:
    return flax.traverse_util.flatten_dict(params, sep="/")


def test_every_parameter_is_filled_with_its_own_array(tensors):
    params = flat(convert_tensors(tensors, ABSTRACT))
    assert {path: leaf.shape for path, leaf in params.items()} == {
        path: leaf.shape for path, leaf in flat(ABSTRACT).items()
    }
    layer = "encoder.layer.1"
    key = f"{layer}.attention.attention.key"
    for path, expected in (
        ("class_token", tensors["embeddings.cls_token"][0, 0]),
        ("class_position", tensors["embeddings.position_embeddings"][0, 0]),
        (
            "block01/attention/key/bias",
            tensors[f"{key}.bias"],
        ),
        ("block01/mlp/fc1/kernel", tensors[f"{layer}.mlp.fc1.weight"].T),
        ("block01/scale2/gamma", tensors[f"{layer}.layer_scale2.lambda1"]),
        ("norm/scale", tensors["layernorm.weight"]),
    ):
        np.testing.assert_array_equal(params[path], expected)
    # The second patch of the second row of the grid is the fifth patch token.
    np.testing.assert_array_equal(
        params["positions"][1, 1], tensors["embeddings.position_embeddings"][0, 5]
    )
    weight = tensors["embeddings.patch_embeddings.projection.weight"]
    assert params["patch_embed/kernel"][1, 2, 0, 5] == weight[5, 0, 1, 2]


PLAIN = dataclasses.replace(TINY, layer_scale=False)
REGISTERS = dataclasses.replace(TINY, registers=2)
GIANT = dataclasses.replace(REGISTERS, mlp="swiglu", mlp_ratio=3)
DINOV3 = dataclasses.replace(REGISTERS, positions="rotary", key_bias=False)
DINOV3_PLUS = dataclasses.replace(DINOV3, mlp="swiglu", mlp_ratio=3)
CLIP = dataclasses.replace(
    PLAIN, mlp="quick_gelu", patch_bias=False, embedding_norm=True
)


@pytest.mark.parametrize(
    ("spec", "naming"),
    [
        (TINY, checkpoint_names.dinov2_module),
        (GIANT, checkpoint_names.dinov2_module),
        (REGISTERS, checkpoint_names.original),
        (GIANT, checkpoint_names.original),
        (PLAIN, checkpoint_names.vit_hub),
        (PLAIN, checkpoint_names.vit_module),
        (PLAIN, checkpoint_names.original),
        (PLAIN, checkpoint_names.dino_training),
        (TINY, checkpoint_names.dinov2_training),
        (GIANT, checkpoint_names.dinov2_training),
        (TINY, checkpoint_names.dinov2_student),
        (PLAIN, checkpoint_names.mae_hub),
        (PLAIN, checkpoint_names.mae_original),
        (PLAIN, checkpoint_names.mocov3),
        (DINOV3, checkpoint_names.dinov3_hub),
        (DINOV3, checkpoint_names.dinov3_module),
        (DINOV3, checkpoint_names.dinov3_original),
        (DINOV3_PLUS, checkpoint_names.dinov3_hub),
        (DINOV3_PLUS, checkpoint_names.dinov3_original),
        (CLIP, checkpoint_names.clip_hub),
        (CLIP, checkpoint_names.openai_clip),
    ],
)
def test_every_naming_gives_the_same_parameters(spec, naming):
    tensors = hugging_face_tensors(spec)
    abstract = abstract_params(spec)
    expected = flat(convert_tensors(tensors, abstract))
    other = naming(tensors)
    assert set(other) != set(tensors)
    found = flat(convert_tensors(other, abstract))
    assert set(found) == set(expected)
    for path, leaf in found.items():
        np.testing.assert_array_equal(leaf, expected[path], err_msg=path)


def test_gate_and_value_of_a_swiglu_are_not_confused():
    tensors = hugging_face_tensors(GIANT)
    params = flat(convert_tensors(tensors, abstract_params(GIANT)))
    stacked = tensors["encoder.layer.0.mlp.weights_in.weight"]
    hidden = GIANT.mlp_hidden
    np.testing.assert_array_equal(params["block00/mlp/gate/kernel"], stacked[:hidden].T)
    np.testing.assert_array_equal(params["block00/mlp/fc1/kernel"], stacked[hidden:].T)


class OneAtATime(LazyArrays):
    """Reads an array when it is asked for, and only if no other is in hand."""

    def __init__(self, tensors: dict[str, np.ndarray]):
        stored = {name: Stored.of(array) for name, array in tensors.items()}
        super().__init__(Path("file"), stored)
        self.in_hand: list[weakref.ref[np.ndarray]] = []
        self.read: list[str] = []

    def __getitem__(self, name: str) -> np.ndarray:
        assert not [ref for ref in self.in_hand if ref() is not None], name
        array = super().__getitem__(name).copy()
        self.in_hand.append(weakref.ref(array))
        self.read.append(name)
        return array


def test_arrays_are_read_one_at_a_time_and_heads_never():
    tensors = checkpoint_names.mocov3(hugging_face_tensors(PLAIN))
    lazy = OneAtATime(tensors)
    params = flat(convert_tensors(lazy, abstract_params(PLAIN)))
    assert len(lazy.read) == len(set(lazy.read))
    assert all(name.startswith("module.base_encoder.") for name in lazy.read)
    assert not any("head" in name or "mask_token" in name for name in lazy.read)
    assert all(
        leaf.flags.c_contiguous and leaf.flags.owndata for leaf in params.values()
    )


def test_bias_of_keys_is_left_out_only_where_it_comes_with_the_others():
    tensors = hugging_face_tensors(DINOV3)
    tensors["encoder.layer.0.attention.attention.key.bias"] = np.ones(8, np.float32)
    with pytest.raises(WeightsError, match=r"would fill block00/attention/key/bias"):
        convert_tensors(tensors, abstract_params(DINOV3))


# The larger variants have the same names, and only more of them.
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, variant in VARIANTS.items()
        if name.endswith("_test") and isinstance(variant.spec, ViTSpec)
    ]
    + ["dinov3_vits16"],
)
def test_tables_cover_every_family(name):
    spec = VARIANTS[name].spec
    convert_tensors(hugging_face_tensors(spec), abstract_params(spec))


def test_half_precision_becomes_float32(tensors):
    halved = {name: array.astype(np.float16) for name, array in tensors.items()}
    params = flat(convert_tensors(halved, ABSTRACT))
    assert {leaf.dtype for leaf in params.values()} == {np.dtype(np.float32)}


def test_all_mismatches_come_in_one_error(tensors):
    del tensors["layernorm.bias"]
    tensors["encoder.layer.0.attention.qkv.weight"] = np.zeros((24, 8), np.float32)
    tensors["encoder.layer.7.norm1.bias"] = np.zeros(8, np.float32)
    tensors["encoder.layer.0.mlp.fc1.weight"] = np.zeros((16, 9), np.float32)
    tensors["encoder.layer.1.mlp.fc1.weight"] = np.zeros(16, np.float32)
    tensors["encoder.layer.1.norm2.bias"] = np.zeros(8, np.int32)
    tensors["dinov2.layernorm.weight"] = np.ones(8, np.float32)
    with pytest.raises(WeightsError) as caught:
        convert_tensors(tensors, ABSTRACT)
    message = str(caught.value)
    assert "7 mismatches" in message
    for sentence in (
        "norm/bias [8] has no source",
        "encoder.layer.0.attention.qkv.weight [24, 8] has no place",
        "encoder.layer.7.norm1.bias would fill block07/norm1/bias, which the model",
        "block00/mlp/fc1/kernel: expected shape [8, 16], found [9, 16]",
        "block01/mlp/fc1/kernel: shape [16] cannot be laid out as [8, 16]",
        "block01/norm2/bias: expected floating point numbers, found int32",
        "dinov2.layernorm.weight and layernorm.weight both fill norm/scale",
    ):
        assert sentence in message


def test_of_many_mismatches_the_first_are_named_and_the_others_counted(tensors):
    for index in range(1000):
        tensors[f"unknown.{index}"] = np.zeros(1, np.float32)
    del tensors["layernorm.bias"]
    with pytest.raises(WeightsError, match="1001 mismatches") as caught:
        convert_tensors(tensors, ABSTRACT)
    lines = str(caught.value).splitlines()
    assert len(lines) < 15
    assert "unknown.0 [1] has no place" in lines[1]
    assert lines[-1].strip() == "and 991 others"


class Unreadable(LazyArrays):
    """Arrays that are known, and must not be read."""

    def __getitem__(self, name: str) -> np.ndarray:
        raise AssertionError(f"{name} was read")


def test_nothing_is_read_of_a_file_that_does_not_fit(tensors):
    stored = {name: Stored.of(array) for name, array in tensors.items()}
    huge = np.broadcast_to(np.zeros((), np.float32), (2**40,))
    for name, one in (
        ("another", stored["layernorm.bias"]),
        ("layernorm.bias", Stored.of(huge)),
        ("embeddings.position_embeddings", Stored.of(huge[None, :, None])),
        ("layernorm.weight", Stored((2**62, 2**62), np.dtype(np.float32), dict)),
    ):
        with pytest.raises(WeightsError, match="mismatches"):
            convert_tensors(Unreadable(Path("x"), {**stored, name: one}), ABSTRACT)


def test_values_that_are_not_finite_are_named(tensors):
    tensors["encoder.layer.0.norm2.bias"] = np.full(8, np.nan, np.float32)
    with pytest.raises(WeightsError, match=r"block00/norm2/bias: .* not finite"):
        convert_tensors(tensors, ABSTRACT)


def test_another_grid_of_positions_is_a_mismatch(tensors):
    tensors["embeddings.position_embeddings"] = np.zeros((1, 17, 8), np.float32)
    with pytest.raises(WeightsError, match=r"expected shape \[3, 3, 8\], found"):
        convert_tensors(tensors, ABSTRACT)
