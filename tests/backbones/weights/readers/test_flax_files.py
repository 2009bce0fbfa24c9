import flax.serialization
import flax.traverse_util
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint
import pytest
from hugging_face import TINY

from uhseg_jax.backbones import WeightsError, convert_variant
from uhseg_jax.backbones.vit.model import abstract_params
from uhseg_jax.backbones.weights.checkpoints import restore_params, save_params
from uhseg_jax.backbones.weights.convert import OWN_NAMING, convert_tensors
from uhseg_jax.backbones.weights.readers import read_tensors
from uhseg_jax.backbones.weights.readers.flax_files import are_own, torch_layout

TREE = {
    "encoder": {"layer": {"0": {"mlp": {"kernel": np.arange(6.0).reshape(2, 3)}}}},
    "norm": {"scale": np.ones(3, np.float32), "bias": np.zeros(3, jnp.bfloat16)},
    "conv": {"kernel": np.arange(24.0).reshape(1, 2, 3, 4)},
    "positions": {"embedding": np.ones((5, 2), np.float32)},
}


def flax_tree(tensors: dict[str, np.ndarray]) -> dict:
    """What transformers' Flax twin of a model has."""
    flat = {}
    for name, array in tensors.items():
        path = tuple(name.split("."))
        if path[-1] == "weight":
            last = "scale" if array.ndim == 1 else "kernel"
            axes = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}[array.ndim]
            path, array = (*path[:-1], last), array.transpose(axes)
        flat[path] = np.ascontiguousarray(array)
    return flax.traverse_util.unflatten_dict(flat)


def write_msgpack(path, tree):
    path.write_bytes(flax.serialization.msgpack_serialize(tree))
    return path


def write_orbax(path, tree):
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(path, tree)
    return path


@pytest.mark.parametrize("wrapped", [False, True])
def test_trees_come_with_their_paths(wrapped, tmp_path):
    tree = {"params": TREE, "step": 3} if wrapped else TREE
    for path in (
        write_msgpack(tmp_path / "flax_model.msgpack", tree),
        write_orbax(tmp_path / "orbax", tree),
    ):
        found = read_tensors(path)
        expected = flax.traverse_util.flatten_dict(TREE, sep="/")
        assert set(found) == set(expected)
        for name, array in expected.items():
            assert found[name].dtype == array.dtype
            assert found[name].tobytes() == array.tobytes()


def test_flax_layout_becomes_torchs(tmp_path):
    found = torch_layout(read_tensors(write_msgpack(tmp_path / "w.msgpack", TREE)))
    assert set(found) == {
        "encoder.layer.0.mlp.weight",
        "norm.weight",
        "norm.bias",
        "conv.weight",
        "positions.weight",
    }
    kernel = TREE["encoder"]["layer"]["0"]["mlp"]["kernel"]
    np.testing.assert_array_equal(found["encoder.layer.0.mlp.weight"], kernel.T)
    assert found["conv.weight"].shape == (4, 3, 1, 2)
    assert found["conv.weight"][3, 2, 0, 1] == TREE["conv"]["kernel"][0, 1, 2, 3]


def test_a_flax_twin_converts_to_the_same_parameters(tmp_path, tensors):
    path = write_msgpack(tmp_path / "flax_model.msgpack", flax_tree(tensors))
    abstract = abstract_params(TINY)
    expected = convert_tensors(tensors, abstract)
    found = convert_tensors(torch_layout(read_tensors(path)), abstract)
    flat = flax.traverse_util.flatten_dict(found)
    for name, array in flax.traverse_util.flatten_dict(expected).items():
        np.testing.assert_array_equal(flat[name], array)


def test_our_own_checkpoint_converts_to_itself(tmp_path, tensors, hub_variant):
    abstract = abstract_params(TINY)
    params = convert_tensors(tensors, abstract)
    folder = save_params(
        params,
        variant="tiny_hub",
        source="somewhere",
        source_sha256="0" * 64,
        directory=tmp_path / "one",
    )
    for file in (folder, folder / "params"):
        convert_variant(
            hub_variant, directory=tmp_path / "two", file=file, overwrite=True
        )
        found, manifest = restore_params(
            "tiny_hub", abstract, directory=tmp_path / "two"
        )
        assert manifest.source == f"file {file.name}"
        flat = flax.traverse_util.flatten_dict(found)
        for name, array in flax.traverse_util.flatten_dict(params).items():
            np.testing.assert_array_equal(flat[name], array)
    victim = folder / "params" / "_METADATA"
    victim.write_bytes(victim.read_bytes() + b" ")
    with pytest.raises(WeightsError, match="damaged or altered"):
        read_tensors(folder)


def test_own_parameters_that_do_not_fit_are_listed_together(tmp_path):
    abstract = abstract_params(TINY)
    flat = {
        name: np.zeros(leaf.shape, jnp.bfloat16)
        for name, leaf in flax.traverse_util.flatten_dict(abstract).items()
    }
    whole = write_msgpack(
        tmp_path / "w.msgpack", flax.traverse_util.unflatten_dict(flat)
    )
    arrays = read_tensors(whole)
    assert are_own(arrays, abstract)
    found = flax.traverse_util.flatten_dict(
        convert_tensors(arrays, abstract, naming=OWN_NAMING)
    )
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    flat["norm", "scale"] = np.zeros(3, np.float32)
    flat["norm", "bias"] = np.zeros(TINY.width, np.int64)
    path = write_msgpack(
        tmp_path / "w.msgpack", flax.traverse_util.unflatten_dict(flat)
    )
    with pytest.raises(WeightsError, match="2 mismatches") as caught:
        convert_tensors(read_tensors(path), abstract, naming=OWN_NAMING)
    for problem in ("norm/scale: expected shape [8]", "int64"):
        assert problem in str(caught.value)


def test_folders_and_trees_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="has no _METADATA"):
        read_tensors(tmp_path)
    path = write_msgpack(tmp_path / "w.msgpack", [np.zeros(3)])
    with pytest.raises(WeightsError, match="holds a list; expected a tree"):
        read_tensors(path)
    path = write_msgpack(tmp_path / "w.msgpack", {"step": 3})
    with pytest.raises(WeightsError, match="holds no arrays"):
        read_tensors(path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(WeightsError, match="could not be read as a folder that Orbax"):
        read_tensors(tmp_path)


def test_hostile_msgpack_is_refused(tmp_path):
    path = tmp_path / "w.msgpack"
    deep = b"\x81\xa1a" * 100_000 + b"\xc0"
    # An array header that claims four thousand million items, and an object dtype.
    claims = b"\x81\xa1a\xdd\xff\xff\xff\xff"
    ext = b"\x93\x91\x01\xc4\x06object\xc4\x08" + bytes(8)
    objects = b"\x81\xa1a\xc7" + bytes([len(ext)]) + b"\x01" + ext
    for content in (deep, claims, objects):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"could not be read as|was not read"):
            read_tensors(path)
