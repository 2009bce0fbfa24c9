"""Frozen dataclasses that are pytrees."""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax

__all__ = ["pytree_dataclass"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def pytree_dataclass(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass and a pytree whose leaves are its fields.

    As `jax.tree_util.register_dataclass`, but rebuilding a tree does not call the
    constructor: transformations put batches, shapes and placeholders where the
    annotations, which describe one instance and are checked in tests, promise arrays.
    """
    cls = dataclasses.dataclass(frozen=True)(cls)
    names = tuple(field.name for field in dataclasses.fields(cls))  # type: ignore[arg-type]

    def flatten(tree: Any) -> tuple[tuple[Any, ...], None]:
        return tuple(getattr(tree, name) for name in names), None

    def flatten_with_keys(tree: Any) -> tuple[tuple[tuple[Any, Any], ...], None]:
        keyed = (
            (jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in names
        )
        return tuple(keyed), None

    def unflatten(aux: None, leaves: Any) -> Any:
        del aux
        tree = object.__new__(cls)
        for name, leaf in zip(names, leaves, strict=True):
            object.__setattr__(tree, name, leaf)
        return tree

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls
