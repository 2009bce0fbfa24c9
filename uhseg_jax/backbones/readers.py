"""Reading named arrays from weight files; no format that can run code is opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.backbones.errors import WeightsError


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    # Opened here, because numpy leaves a damaged file open.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_onnx(path: Path) -> dict[str, np.ndarray]:
    """Initialisers of an ONNX graph, the anonymous linear weights under their names.

    Torch's exporter folds the transpose of a linear weight into a constant without a
    name (``onnx::MatMul_1966``). Its product is added to a bias that kept its name
    (``layer.0.mlp.fc1.bias``), so the weight is returned as ``layer.0.mlp.fc1.weight``,
    in torch's orientation [out, in].
    """
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    external = onnx.TensorProto.EXTERNAL
    if any(tensor.data_location == external for tensor in graph.initializer):
        raise ValueError("its weights lie in other files, as ONNX external data")
    arrays = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer
    }
    names = _linear_weight_names(graph, arrays)
    return {
        **{name: array for name, array in arrays.items() if name not in names.values()},
        **{name: arrays[anonymous].T for name, anonymous in names.items()},
    }


def _linear_weight_names(graph: Any, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Maps ``x.weight`` to the anonymous constant whose product gets ``x.bias``."""
    product_of = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in arrays
    }
    names = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for bias, product in (tuple(node.input), tuple(reversed(node.input))):
            if bias in arrays and bias.endswith(".bias") and product in product_of:
                names[bias.removesuffix("bias") + "weight"] = product_of[product]
    return names


_READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".safetensors": _read_safetensors,
    ".onnx": _read_onnx,
    ".npz": _read_npz,
}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads every named array of a weight file.

    Args:
      path: a ``.safetensors``, ``.onnx`` or ``.npz`` file.

    Returns:
      Arrays by the names that the file gives them; see `_read_onnx` for linear weights
      that an ONNX graph left without one.

    Raises:
      WeightsError: the file does not exist, is of another kind, or is damaged.
    """
    if not path.is_file():
        raise WeightsError(f"There is no weight file at {path}.")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(
            f"{path} is not of a kind that weights are read from; expected "
            f"{', '.join(_READERS)}. Pickles (.pt, .pth, .bin) can run code and are "
            "never loaded."
        )
    try:
        return reader(path)
    except Exception as error:
        # A damaged file can make its parser raise anything, MemoryError included.
        reason = (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
        raise WeightsError(
            f"{path} could not be read as {path.suffix}: {reason}. Expected "
            "one whole file that holds all weights; it may be cut short or damaged."
        ) from error
