"""The weights of an ONNX graph, the anonymous linear ones under their names.

The file is a message of protocol buffers (`onnx_wire`), of which little is needed: the
names and places of the initialisers, and which node takes what.
"""

import dataclasses
import math
import mmap
from collections.abc import Container
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import (
    Extent,
    LazyArrays,
    RefusedError,
    Stored,
)
from uhseg_jax.backbones.weights.readers.onnx_wire import MESSAGE, VARINT, Wire

__all__ = ["read_onnx"]

# TensorProto.DataType.
_DTYPES = {
    **{1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32"},
    **{7: "int64", 9: "bool", 10: "float16", 11: "float64", 12: "uint32"},
    **{13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16"},
    **{17: "float8_e4m3fn", 19: "float8_e5m2"},
}
# Numbers of fields.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER = 7, 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR = 1, 2, 4
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _LOCATION = 1, 2, 4, 8, 9, 10, 14
_EXTERNAL = 1


@dataclasses.dataclass
class _Node:
    """An operation of the graph, and the names of what it takes and gives."""

    operator: str = ""
    inputs: list[str] = dataclasses.field(default_factory=list)
    outputs: list[str] = dataclasses.field(default_factory=list)


def read_onnx(path: Path, budget: Budget) -> LazyArrays:
    """Opens the graph of a ``.onnx``; its initialisers are not read.

    Torch's exporter folds the transpose of a linear weight into a constant without a
    name (``onnx::MatMul_1966``). Its product is added to a bias that kept its name
    (``layer.0.mlp.fc1.bias``), so the weight is returned as ``layer.0.mlp.fc1.weight``,
    in torch's orientation [out, in].

    Raises:
      RefusedError: its weights lie in other files, or there are too many.
      ValueError: it is no ONNX file.
    """
    constants: dict[str, Stored] = {}
    nodes: list[_Node] = []
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        wire = Wire(data)
        for field, form, *graph in wire.fields(0, len(data)):
            if (field, form) != (_MODEL_GRAPH, MESSAGE):
                continue
            for number, kind, begin, end in wire.fields(*graph):
                if (number, kind) == (_GRAPH_NODE, MESSAGE):
                    nodes.append(_node(wire, begin, end))
                elif (number, kind) == (_GRAPH_INITIALIZER, MESSAGE):
                    name, stored = _tensor(path, wire, begin, end)
                    constants[name] = stored
                    budget.require_count(len(constants))
    named = _linear_weight_names(nodes, constants)
    anonymous = set(named.values())
    found = {name: one for name, one in constants.items() if name not in anonymous}
    for name, constant in named.items():
        stored = constants[constant]
        found[name] = stored.transposed(range(len(stored.shape))[::-1])
    return LazyArrays(path, found)


def _node(wire: Wire, begin: int, end: int) -> _Node:
    node = _Node()
    for number, kind, first, last in wire.fields(begin, end):
        if kind != MESSAGE:
            continue
        if number == _NODE_INPUT:
            node.inputs.append(wire.text(first, last))
        elif number == _NODE_OUTPUT:
            node.outputs.append(wire.text(first, last))
        elif number == _NODE_OPERATOR:
            node.operator = wire.text(first, last)
    return node


def _tensor(path: Path, wire: Wire, begin: int, end: int) -> tuple[str, Stored]:
    """Name and place of an initialiser."""
    shape: list[int] = []
    name, dtype, place = "", "", None
    for number, kind, first, last in wire.fields(begin, end):
        if number == _DIMS:
            shape += wire.varints(kind, first, last)
            if len(shape) > 64:
                raise ValueError("one of its arrays has more than 64 axes")
        elif number == _NAME and kind == MESSAGE:
            name = wire.text(first, last)
        elif number == _TYPE and kind == VARINT:
            if first not in _DTYPES:
                raise RefusedError(f"it has arrays of the data type {first}.")
            dtype = _DTYPES[first]
        elif number == _LOCATION and kind == VARINT and first == _EXTERNAL:
            raise RefusedError(
                "its weights lie in other files, as ONNX external data. Expected one "
                "whole file that holds all weights."
            )
        elif number in (_RAW, _FLOATS, _DOUBLES) and kind == MESSAGE:
            place = None if place else Extent(path, first, last - first)
    if place is None:
        return name, Stored(tuple(shape), jnp.dtype(dtype or "float32"), _refuse)
    if math.prod(shape) * jnp.dtype(dtype).itemsize != place.nbytes:
        raise RefusedError(
            f"{name[:200]} of shape {shape[:8]} does not have {place.nbytes:,} bytes."
        )
    return name, place.stored(jnp.dtype(dtype), shape)


def _refuse() -> np.ndarray:
    raise RefusedError("its numbers are not kept as bytes; export the model with torch")


def _linear_weight_names(
    nodes: list[_Node], constants: Container[str]
) -> dict[str, str]:
    """Maps ``x.weight`` to the anonymous constant whose product gets ``x.bias``."""
    product_of = {
        node.outputs[0]: node.inputs[1]
        for node in nodes
        if node.operator == "MatMul" and node.inputs[1] in constants
    }
    names = {}
    for node in nodes:
        if node.operator != "Add":
            continue
        for bias, product in (tuple(node.inputs), tuple(reversed(node.inputs))):
            if bias in constants and bias.endswith(".bias") and product in product_of:
                names[bias.removesuffix("bias") + "weight"] = product_of[product]
    return names
