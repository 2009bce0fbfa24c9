"""Lines of the tables of names: what they say, and how arrays are laid out.

Torch keeps linear weights as [out, in] and convolutions as [out, in, rows, columns];
ours are Flax's.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

__all__ = [
    "Rename",
    "Transform",
    "as_is",
    "convolution",
    "dense",
    "first_sample",
    "first_token",
    "linear",
    "norm",
    "one",
    "other_tokens",
    "square_grid",
    "stacked",
    "vector",
]

Transform = Callable[[np.ndarray], np.ndarray]


def as_is(array: np.ndarray) -> np.ndarray:
    """Lays an array out as it is."""
    return array


def linear(weight: np.ndarray) -> np.ndarray:
    """Torch keeps linear weights as [out, in]."""
    return weight.transpose(1, 0)


def convolution(weight: np.ndarray) -> np.ndarray:
    """Torch keeps convolutions as [out, in, rows, columns]."""
    return weight.transpose(2, 3, 1, 0)


def vector(array: np.ndarray) -> np.ndarray:
    """Drops the leading axes of length one that torch broadcasts over."""
    return array.reshape(array.shape[-1])


def first_sample(array: np.ndarray) -> np.ndarray:
    """Drops the batch axis of length one."""
    return array.reshape(array.shape[1:])


def _tokens(array: np.ndarray) -> np.ndarray:
    """Drops the batch axis that most, but not all, give the positions of tokens."""
    return array.reshape(array.shape[-2:])


def square_grid(tokens: np.ndarray) -> np.ndarray:
    """Positions of n tokens on their square grid."""
    tokens = _tokens(tokens)
    side = math.isqrt(len(tokens))
    return tokens.reshape(side, side, tokens.shape[1])


def first_token(tokens: np.ndarray) -> np.ndarray:
    """The first of the positions of tokens."""
    return _tokens(tokens)[0]


def other_tokens(tokens: np.ndarray) -> np.ndarray:
    """Positions of all tokens but the first, on their square grid."""
    return square_grid(_tokens(tokens)[1:])


def _part(array: np.ndarray, *, index: int, of: int, layout: Transform) -> np.ndarray:
    """One of several layers whose outputs are stacked in one array."""
    size = len(array) // of
    if size * of != len(array):
        raise ValueError(f"{len(array)} rows are no {of} layers")
    return layout(array[index * size : (index + 1) * size])


@dataclasses.dataclass(frozen=True)
class Rename:
    """One line of a table.

    Attributes:
      source: regular expression that a source name must match as a whole.
      targets: path of a parameter (with the groups of ``source`` filled in; numbers
        count blocks) and how its value is made from the source array.
      optional: those of the paths that a model may lack.
    """

    source: str
    targets: tuple[tuple[str, Transform], ...]
    optional: tuple[str, ...] = ()


def one(source: str, target: str, transform: Transform = as_is) -> Rename:
    """One array that fills one parameter."""
    return Rename(source, ((target, transform),))


def norm(source: str, target: str) -> tuple[Rename, ...]:
    """Weight and bias of a LayerNorm."""
    return (
        one(rf"{source}\.weight", f"{target}/scale"),
        one(rf"{source}\.bias", f"{target}/bias"),
    )


def dense(source: str, target: str) -> tuple[Rename, ...]:
    """Weight and bias of a linear layer."""
    return (
        one(rf"{source}\.weight", f"{target}/kernel", linear),
        one(rf"{source}\.bias", f"{target}/bias"),
    )


def stacked(
    source: str, *targets: str, separator: str = r"\.", optional: tuple[str, ...] = ()
) -> tuple[Rename, ...]:
    """Weight and bias of several linear layers, their outputs stacked."""

    def part(index: int, layout: Transform) -> Transform:
        return functools.partial(_part, index=index, of=len(targets), layout=layout)

    def each(leaf: str, layout: Transform) -> tuple[tuple[str, Transform], ...]:
        return tuple(
            (f"{target}/{leaf}", part(index, layout))
            for index, target in enumerate(targets)
        )

    return (
        Rename(f"{source}{separator}weight", each("kernel", linear), optional),
        Rename(f"{source}{separator}bias", each("bias", as_is), optional),
    )
