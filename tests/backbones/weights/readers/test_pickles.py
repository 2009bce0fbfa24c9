import io
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from torch_pickles import (
    Build,
    Call,
    Name,
    Persistent,
    emit,
    program,
    tensor,
    write_zip,
)

from uhseg_jax.backbones import WeightsError
from uhseg_jax.backbones.weights.readers import pickles, read_tensors
from uhseg_jax.backbones.weights.readers.lazy import RefusedError
from uhseg_jax.backbones.weights.readers.torch_symbols import find

ALLOWED = tensor(np.float32, "0", 4, (2, 2))


def load(content: bytes):
    def refuse(identity):
        raise RefusedError(f"persistent {type(identity).__name__}")

    return pickles.load(io.BytesIO(content), find=find, persistent=refuse)


def read(path: Path, root, storages=None):
    file = path / "w.pth"
    write_zip(file, root, {"0": bytes(16)} if storages is None else storages)
    return read_tensors(file)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_what_python_reads(protocol):
    shared = ["one", 1, -(2**70), 2.5, None, True, b"bytes", (), (1, 2, 3, 4, "five")]
    value = {"a": shared, "again": shared, 3: {"b": [{}, []], None: 0.1}, "é": "\ud800"}
    content = pickle.dumps(value, protocol)
    if protocol < 3:
        # Their bytes are a call of _codecs.encode, which stays an inert object.
        del value["a"][6]
        content = pickle.dumps(value, protocol)
    found = load(content)
    assert found == value
    assert found["a"] is found["again"]


def test_sets_become_lists_and_objects_stay_inert():
    assert sorted(load(pickle.dumps({3, 4}, 4))) == [3, 4]
    assert load(pickle.dumps(frozenset({5}), 4)) == [5]
    namespace = Build(Call(Name("argparse", "Namespace"), (), b"\x81"), {"lr": 0.1})
    found = load(program(namespace))
    assert isinstance(found, pickles.Inert)
    assert (found.name, found.state) == ("argparse.Namespace", {"lr": 0.1})


RUNS_CODE = {
    "os.system": Call(Name("os", "system"), ("touch HACKED",)),
    "posix.system": Call(Name("posix", "system", by_stack=True), ("touch HACKED",)),
    "builtins.eval": Call(Name("builtins", "eval"), ("open('HACKED', 'w')",)),
    "__builtin__.exec": Call(Name("__builtin__", "exec"), ("open('HACKED', 'w')",)),
    "builtins.getattr": Call(Name("builtins", "getattr"), (ALLOWED, "__class__")),
    "subprocess.Popen": Call(Name("subprocess", "Popen"), (["true"],), b"\x81"),
    "nested.Thing": [{"deep": (Call(Name("nested", "Thing"), (ALLOWED,)),)}],
    # Named as what is allowed, elsewhere.
    "evil._rebuild_tensor_v2": Call(Name("evil", "_rebuild_tensor_v2"), ()),
    "evil.OrderedDict": Call(Name("evil", "OrderedDict"), ()),
    "torch._utils.os.system": Call(Name("torch._utils", "os.system"), ("true",)),
    "collections.OrderedDict.__init__": Name(
        "collections", "OrderedDict.__init__", by_stack=True
    ),
    # Torch's own doors to other loaders.
    "torch.load": Call(Name("torch", "load"), ("other.pth",)),
    "torch.serialization.load": Call(Name("torch.serialization", "load"), ("x",)),
    "torch.storage._load_from_bytes": Call(
        Name("torch.storage", "_load_from_bytes"), (b"x",)
    ),
    "torch.hub.load": Call(Name("torch.hub", "load"), ("a/b", "c")),
    "torch.jit._pickle.build_lists": Name("torch.jit._pickle", "build_lists"),
    "functools.partial": Name("functools", "partial"),
    "numpy.load": Name("numpy", "load"),
    "__torch__evil.Module": Name("__torch__evil", "Module"),
}


@pytest.mark.parametrize("symbol", RUNS_CODE)
def test_what_could_run_code_is_refused_by_name(symbol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)
    with pytest.raises(WeightsError, match="was not read: its pickle asks for") as e:
        read(tmp_path, {"weight": ALLOWED, "other": RUNS_CODE[symbol]})
    assert repr(symbol) in str(e.value)
    assert not Path("HACKED").exists()
    assert not {"nested", "evil"} & (set(sys.modules) - modules)


def test_inst_and_obj_and_extensions_are_refused_too(tmp_path):
    inst = b"\x80\x02(X\x04\x00\x00\x00trueios\nsystem\n."
    obj = b"\x80\x02(cos\nsystem\nX\x04\x00\x00\x00trueo."
    for content in (inst, obj):
        with pytest.raises(WeightsError, match=r"asks for 'os\.system'"):
            read(tmp_path, content)
    for content in (b"\x80\x02\x82\x01.", b"\x80\x05\x97."):
        with pytest.raises(WeightsError, match="which torch does not"):
            read(tmp_path, content)


def test_nothing_allowed_can_become_something_else(tmp_path):
    dictionary = Call(Name("collections", "OrderedDict"), ())
    device = Name("torch", "device")
    for root in (
        Call(ALLOWED, ("called",)),
        Call(Call(device, ("cpu",)), ("an object called",)),
        Call(dictionary, ()),
        Call(device, ["not a tuple"]),
        Call(Name("torch", "float32"), ("a dtype called",)),
        Call(Name("torch._tensor", "_rebuild_from_type_v2"), (device, device, (), {})),
        emit(Call(device, ())) + b"Na.",
        emit(device) + emit("k") + b"Ns.",
    ):
        with pytest.raises(WeightsError):
            read(tmp_path, b"\x80\x02" + root if isinstance(root, bytes) else root)
    # The state of what is no object of ours is dropped, __setstate__ or not.
    state = {"__class__": "x", "__setstate__": "y", "weight": 1}
    builds = [Build(x, state) for x in (dictionary, device, ALLOWED)]
    arrays = read(tmp_path, {"weight": ALLOWED, "others": builds})
    assert list(arrays) == ["weight"]
    assert find("torch", "device").name == "torch.device"


@pytest.mark.parametrize(
    "identity",
    [
        "text",
        (),
        ("storage",),
        ("module", Name("torch", "FloatStorage"), "0", "cpu", 4),
        ("storage", "FloatStorage", "0", "cpu", 4),
        ("storage", Name("torch", "device"), "0", "cpu", 4),
        ("storage", Name("torch", "FloatStorage"), 0, "cpu", 4),
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", 4.0),
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", -4),
        ("storage", Name("torch", "FloatStorage"), "../0", "cpu", 4),
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", 4, ("0", 0, 4)),
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", 4, None, None),
        (("storage",), Name("torch", "FloatStorage"), "0", "cpu", 4),
    ],
)
def test_storages_are_named_as_torch_does_or_refused(identity, tmp_path):
    function, arguments = ALLOWED.function, ALLOWED.arguments
    root = {"weight": Call(function, (Persistent(identity), *arguments[1:]))}
    with pytest.raises(WeightsError, match=r"was not read: .*storage"):
        read(tmp_path, root)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (1, (2, 2), (2, 1)),
        (-1, (2, 2), (2, 1)),
        (0, (2, 2), (-2, 1)),
        (0, (2, 3), (2, 1)),
        (0, (2, 2), (2,)),
        (0, (2.0, 2), (2, 1)),
        (2**62, (1,), (1,)),
        (2**47, (1,), (1,)),
        (0, (1,) * 65, (1,) * 65),
        (0, (2**62,), (2**62,)),
        (0, (2**40,), (0,)),
        (0, (True, 2), (1, 1)),
        ("0", (1,), (1,)),
        (0, [2, 2], (2, 1)),
    ],
)
def test_tensors_outside_their_storage_are_refused(offset, shape, strides, tmp_path):
    root = {"x": tensor(np.float32, "0", 4, shape, offset=offset, strides=strides)}
    with pytest.raises(WeightsError, match="was not read: "):
        read(tmp_path, root)


def test_a_storage_that_is_missing_or_of_another_size_is_refused(tmp_path):
    root = {"x": ALLOWED}
    with pytest.raises(WeightsError, match="lacks the storage '0'"):
        read(tmp_path, root, {"1": bytes(16)})
    with pytest.raises(WeightsError, match="should have 4 elements of 4 bytes"):
        read(tmp_path, root, {"0": bytes(12)})
    twice = {"x": ALLOWED, "y": tensor(np.float32, "0", 5, (2, 2))}
    with pytest.raises(WeightsError, match="has two sizes"):
        read(tmp_path, twice)


def test_bombs_are_refused_at_once(tmp_path):
    started = time.monotonic()
    # A tuple of itself, sixty times doubled, takes 2**60 steps to hash.
    doubled = b"\x80\x02" + b")" + b"2\x86" * 60
    for content in (doubled + b"Nd.", b"\x80\x02}(" + doubled[2:] + b"Nu."):
        with pytest.raises(WeightsError):
            read(tmp_path, content)
    with pytest.raises(WeightsError, match="holds a tuple"):
        read(tmp_path, doubled + b".")
    # A place in the memo far out, and texts that are longer than the file.
    with pytest.raises(WeightsError):
        read(tmp_path, b"\x80\x02Nr\xff\xff\xff\x7f.")
    for length in (b"X\xff\xff\xff\xff", b"\x8d" + b"\xff" * 7 + b"\x7f"):
        with pytest.raises(WeightsError):
            read(tmp_path, b"\x80\x04" + length + b"x.")
    # Containers within each other, too deep for anything that recurs.
    for nested in (b"]" * 20_000 + b"a" * 19_999, b")" + b"\x85" * 20_000):
        with pytest.raises(WeightsError, match="holds a"):
            read(tmp_path, b"\x80\x02" + nested + b".")
    itself = b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s."
    with pytest.raises(WeightsError, match="holds a dict"):
        read(tmp_path, itself)
    assert time.monotonic() - started < 10


def test_endless_programs_are_cut_off(monkeypatch):
    monkeypatch.setattr(pickles, "_MOST_STEPS", 100)
    with pytest.raises(RefusedError, match="more than 100 instructions"):
        load(b"\x80\x02" + b"N0" * 51 + b"N.")
    load(b"\x80\x02" + b"N0" * 40 + b"N.")
