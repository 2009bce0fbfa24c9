import flax.traverse_util
import numpy as np
import pytest
from hugging_face import TINY, hugging_face_tensors

from uhseg_jax.backbones import VARIANTS, WeightsError
from uhseg_jax.backbones.convert import convert_tensors
from uhseg_jax.backbones.vit import abstract_params

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
    # The second cell of the second row of the grid is the fifth patch token.
    np.testing.assert_array_equal(
        params["positions"][1, 1], tensors["embeddings.position_embeddings"][0, 5]
    )
    weight = tensors["embeddings.patch_embeddings.projection.weight"]
    assert params["patch_embed/kernel"][1, 2, 0, 5] == weight[5, 0, 1, 2]


def test_newer_names_and_prefixes_give_the_same_parameters(tensors):
    newer = {
        "dinov2."
        + name.replace("attention.attention.query", "attention.q_proj")
        .replace("attention.attention.key", "attention.k_proj")
        .replace("attention.attention.value", "attention.v_proj")
        .replace("attention.output.dense", "attention.o_proj"): array
        for name, array in tensors.items()
    }
    expected = flat(convert_tensors(tensors, ABSTRACT))
    for path, leaf in flat(convert_tensors(newer, ABSTRACT)).items():
        np.testing.assert_array_equal(leaf, expected[path])


# The larger variants have the same names, and only more of them.
@pytest.mark.parametrize("name", ["dinov2_vits14_reg", "dinov2_test"])
def test_table_covers_variants_with_and_without_registers(name):
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
    tensors["encoder.layer.0.norm2.bias"] = np.full(8, np.nan, np.float32)
    tensors["encoder.layer.1.norm2.bias"] = np.zeros(8, np.int32)
    tensors["dinov2.layernorm.weight"] = np.ones(8, np.float32)
    with pytest.raises(WeightsError) as caught:
        convert_tensors(tensors, ABSTRACT)
    message = str(caught.value)
    assert "8 mismatches" in message
    for sentence in (
        "norm/bias [8] has no source",
        "encoder.layer.0.attention.qkv.weight [24, 8] has no place",
        "encoder.layer.7.norm1.bias would fill block07/norm1/bias, which the model",
        "block00/mlp/fc1/kernel: expected shape [8, 16], found [9, 16]",
        "block01/mlp/fc1/kernel: shape [16] cannot be laid out as [8, 16]",
        "block00/norm2/bias: it holds values that are not finite",
        "block01/norm2/bias: expected floating point numbers, found int32",
        "dinov2.layernorm.weight and layernorm.weight both fill norm/scale",
    ):
        assert sentence in message


def test_another_grid_of_positions_is_a_mismatch(tensors):
    tensors["embeddings.position_embeddings"] = np.zeros((1, 17, 8), np.float32)
    with pytest.raises(WeightsError, match=r"expected shape \[3, 3, 8\], found"):
        convert_tensors(tensors, ABSTRACT)
