"""Frozen dataclasses that are pytrees."""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax

__all__ = ["pytree_dataclass"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def pytree_dataclass(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass and a pytree whose leaves are its fields.

    Fields with ``metadata={"static": True}`` are structure, not leaves.

    As `jax.tree_util.register_dataclass`, but rebuilding a tree does not call the
    constructor: transformations put batches, shapes and placeholders where the
    annotations, which describe one instance and are checked in tests, promise arrays.
    """
    cls = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    static = tuple(x.name for x in fields if x.metadata.get("static"))
    leafy = tuple(x.name for x in fields if x.name not in static)

    def structure(tree: Any) -> tuple[Any, ...]:
        return tuple(getattr(tree, name) for name in static)

    def flatten(tree: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(tree, name) for name in leafy), structure(tree)

    def flatten_with_keys(
        tree: Any,
    ) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
        key = jax.tree_util.GetAttrKey
        keyed = ((key(name), getattr(tree, name)) for name in leafy)
        return tuple(keyed), structure(tree)

    def unflatten(structure: tuple[Any, ...], leaves: Any) -> Any:
        tree = object.__new__(cls)
        names = (*leafy, *static)
        for name, value in zip(names, (*leaves, *structure), strict=True):
            object.__setattr__(tree, name, value)
        return tree

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls
