"""Pickles that want to run something, or that cost far more than they weigh."""

import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.backbones.torch_pickles import (
    Build,
    Call,
    Name,
    Persistent,
    emit,
    program,
    tensor,
)

__all__ = ["bombs", "calls", "tensors"]

# What runs something, or reaches what does: a module, a name in it, arguments.
_CALLABLES: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("os", "system", ("touch {canary}",)),
    ("posix", "system", ("touch {canary}",)),
    ("nt", "system", ("touch {canary}",)),
    ("os", "popen", ("touch {canary}",)),
    ("os", "execv", ("/bin/touch", ["touch", "{canary}"])),
    ("subprocess", "Popen", (["touch", "{canary}"],)),
    ("subprocess", "check_output", (["touch", "{canary}"],)),
    ("builtins", "eval", ("open('{canary}', 'w')",)),
    ("builtins", "exec", ("open('{canary}', 'w')",)),
    ("__builtin__", "eval", ("open('{canary}', 'w')",)),
    ("builtins", "open", ("{canary}", "w")),
    ("io", "open", ("{canary}", "w")),
    ("builtins", "compile", ("1", "x", "eval")),
    ("builtins", "__import__", ("pip",)),
    ("builtins", "getattr", ("x", "__class__")),
    ("importlib", "import_module", ("pip",)),
    ("runpy", "run_path", ("pip.py",)),
    ("pathlib", "Path.touch", ("{canary}",)),
    ("pathlib", "os.system", ("touch {canary}",)),
    ("torch", "load", ("{canary}",)),
    ("torch.hub", "load", ("x", "y")),
    ("torch.storage", "_load_from_bytes", (b"\x80\x02.",)),
    ("torch.jit._pickle", "build_intlist.__globals__", ()),
    ("numpy", "load", ("{canary}",)),
    ("numpy", "fromfile", ("/etc/passwd",)),
    ("numpy.testing._private.utils", "runstring", ("1", {})),
    ("numpy.f2py.crackfortran", "getlincoef", ("1", {})),
    ("pickle", "loads", (b"cos\nsystem\n(S'touch x'\ntR.",)),
    ("shutil", "rmtree", ("{canary}",)),
    ("shutil", "copyfile", ("/etc/passwd", "{canary}")),
    ("functools", "partial", (Name("os", "system"), "touch {canary}")),
    ("functools", "reduce", (Name("os", "system"), ["touch {canary}"])),
    ("operator", "attrgetter", ("system",)),
    ("types", "CodeType", (0,)),
    ("copyreg", "_reconstructor", (Name("builtins", "object"), 0, None)),
    ("ctypes", "CDLL", ("libc.so.6",)),
    ("webbrowser", "open", ("file:///{canary}",)),
    ("timeit", "timeit", ("open('{canary}', 'w')",)),
    ("bdb", "Bdb", ()),
    ("code", "InteractiveInterpreter", ()),
    ("asyncio.unix_events", "_UnixSubprocessTransport", ()),
    ("uhseg_jax.cli.startup", "run_command", (Name("os", "system"),)),
    ("__torch__.os", "system", ("touch {canary}",)),
    ("collections", "OrderedDict", (Name("os", "system"),)),
)


def calls(canary: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles that call something, with each of the instructions that can."""

    def placed(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{canary}", str(canary))
        if isinstance(value, list):
            return [placed(x) for x in value]
        return value

    for module, name, arguments in _CALLABLES:
        found = tuple(placed(x) for x in arguments)
        plain, stacked = Name(module, name), Name(module, name, by_stack=True)
        title = f"{module}.{name}"
        yield f"{title} by REDUCE", program({"x": Call(plain, found)})
        yield f"{title} by NEWOBJ", program({"x": Call(stacked, found, b"\x81")}, 4)
    system = ("touch {canary}".replace("{canary}", str(canary)),)
    text = system[0].encode()
    yield "INST", b"(S'" + text + b"'\nios\nsystem\n."
    yield "OBJ", b"(cos\nsystem\nS'" + text + b"'\no."
    yield "EXT1", b"\x82\x01(S'x'\ntR."
    yield "state", program(Build(Name("os", "environ"), {"PATH": "x"}))
    state = Build(Call(Name("argparse", "Namespace"), ()), {"__class__": 1})
    yield "state of a class", program(state)
    yield "persistent", program(Persistent(("storage", Name("os", "system"), "0")))
    yield (
        "in two steps",
        program(
            {
                "x": Call(
                    Call(Name("builtins", "getattr"), (Name("os", "x"), "y")), system
                )
            }
        ),
    )


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small pickles that grow, or that keep a machine busy."""
    lists, tuples = b"]q\0", b")q\0"
    for i in range(60):
        lists += b"]q%c(h%ch%ce" % (i + 1, i, i)
        tuples += b"h%ch%c\x86q%c" % (i, i, i + 1)
    yield "doubled lists", b"\x80\x02(" + lists + b"l."
    yield "doubled tuples", b"\x80\x02(" + tuples + b"l."
    # A list of a hundred thousand is copied once for every call of `list`.
    many = emit([0] * 100_000)
    copied = b"cbuiltins\nlist\nq\1" + many + b"q\0"
    copies = b"".join(b"h\1h\0\x85R" for _ in range(100_000))
    yield "copies of a list", b"\x80\x02(" + copied + copies + b"l."
    ordered = b"ccollections\nOrderedDict\nq\1}(" + b"".join(
        emit(str(i)) + b"N" for i in range(5_000)
    )
    yield "copies of a dict", b"\x80\x02(" + ordered + b"uq\0" + copies + b"l."
    tags = b"ctorch.jit._pickle\nbuild_intlist\nq\1" + many + b"q\0"
    yield "copies by tags", b"\x80\x02(" + tags + copies + b"l."
    yield (
        "copies of a size",
        b"\x80\x02(ctorch\nSize\nq\1" + many + b"q\0" + (copies + b"l."),
    )
    for opening in (b"(", b"]", b"}", b"(l"):
        yield f"deep {opening!r}", b"\x80\x02" + opening * 2_000_000 + b"."
    yield "deep nesting", b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    yield "long claim", b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x."
    yield "bytes claim", b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x."
    yield "frame claim", b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N."
    yield "long integer", b"\x80\x02\x8b" + struct.pack("<I", 2**31 - 1) + b"\xff" * 99
    yield "digits", b"I" + b"9" * 3_000_000 + b"\n."
    yield "memo far off", b"\x80\x02Nr\xff\xff\xff\xff."
    yield "duplicates", b"\x80\x02" + b"N" + b"2" * 5_000_000 + b"."
    yield "pops", b"\x80\x02N" + b"0" * 1_000_000 + b"."
    yield "many pickles", pickle.dumps(0) * 100_000
    yield "cyclic", b"\x80\x02]q\0h\0a."
    yield "cyclic dict", b"\x80\x02}q\0U\1xh\0s."


def tensors() -> Iterator[tuple[str, bytes]]:
    """Pickles of tensors that their storages cannot hold."""
    cases: dict[str, dict[str, Any]] = {
        "huge size": {"size": 2**60, "shape": (2**60,)},
        "all from one": {"size": 1, "shape": (2**31, 2**9), "strides": (0, 0)},
        "four gigabytes from one": {"size": 1, "shape": (10**9,), "strides": (0,)},
        "negative stride": {"size": 9, "shape": (3,), "strides": (-1,)},
        "negative offset": {"size": 9, "shape": (3,), "offset": -4},
        "offset beyond": {"size": 9, "shape": (3,), "offset": 2**40},
        "negative shape": {"size": 9, "shape": (-1, -9)},
        "many axes": {"size": 1, "shape": (1,) * 200},
        "overlap": {"size": 9, "shape": (2**16, 2**16), "strides": (0, 0)},
        "no elements": {"size": 0, "shape": (0, 2**62, 2**62)},
    }
    for title, fields in cases.items():
        yield title, program({"x": tensor(np.float32, "0", **fields)})
    yield "no storage", program({"x": tensor(np.float32, "9", 4, (4,))})
    yield "a path as key", program({"x": tensor(np.float32, "../../0", 4, (4,))})
    many = {str(i): tensor(np.float32, "0", 4, (4,)) for i in range(20_000)}
    yield "twenty thousand views", program(many)
