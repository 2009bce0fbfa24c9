"""The weights of an ONNX graph, the anonymous linear ones under their names."""

import functools
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, RefusedError


def read_onnx(path: Path) -> LazyArrays:
    """Initialisers of an ONNX graph; the graph is held in memory as it lies on disk.

    Torch's exporter folds the transpose of a linear weight into a constant without a
    name (``onnx::MatMul_1966``). Its product is added to a bias that kept its name
    (``layer.0.mlp.fc1.bias``), so the weight is returned as ``layer.0.mlp.fc1.weight``,
    in torch's orientation [out, in].

    Raises:
      RefusedError: its weights lie in other files.
    """
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    external = onnx.TensorProto.EXTERNAL
    if any(tensor.data_location == external for tensor in graph.initializer):
        raise RefusedError(
            "its weights lie in other files, as ONNX external data. Expected one whole "
            "file that holds all weights."
        )
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    named = _linear_weight_names(graph, tensors)
    anonymous = set(named.values())

    def read(name: str, transposed: bool) -> np.ndarray:
        array = onnx.numpy_helper.to_array(tensors[name])
        return array.T if transposed else array

    readers = {
        name: functools.partial(read, name, False)
        for name in tensors
        if name not in anonymous
    }
    readers |= {
        name: functools.partial(read, constant, True)
        for name, constant in named.items()
    }
    return LazyArrays(path, readers)


def _linear_weight_names(graph: Any, constants: Container[str]) -> dict[str, str]:
    """Maps ``x.weight`` to the anonymous constant whose product gets ``x.bias``."""
    product_of = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in constants
    }
    names = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for bias, product in (tuple(node.input), tuple(reversed(node.input))):
            if bias in constants and bias.endswith(".bias") and product in product_of:
                names[bias.removesuffix("bias") + "weight"] = product_of[product]
    return names
