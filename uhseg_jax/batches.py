"""One function over the images of a batch, on one device or on many.

On CPUs images are taken one after the other (`jax.lax.map`). An accelerator is idle for
the most part while it has one image, so there a group of always the same number goes
through one program together (`jax.vmap`), and one group after the other. A batch is
filled up with copies of its last image. So every product has the same shape however
many images there are, and a result depends neither on its neighbours in the batch nor
on how full that is; groups of another size would round differently. Loops of a group
go on for the slowest image, and conditionals take both ways, which only such devices
have room for.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

__all__ = ["filled", "images_at_once", "map_images", "num_devices", "on_all_devices"]

Image = TypeVar("Image")

_EVERYWHERE, _SHARED = PartitionSpec(), PartitionSpec("data")
_ON_ACCELERATORS = 8


def images_at_once() -> int:
    """How many images go through a program together, on each device."""
    return 1 if jax.default_backend() == "cpu" else _ON_ACCELERATORS


def num_devices(mesh: Mesh | None) -> int:
    """How many devices share a batch."""
    return 1 if mesh is None else mesh.size


def filled(images: Sequence[Image], multiple: int) -> list[Image]:
    """Images with the last one repeated until a number divides them."""
    return [*images, *[images[-1]] * (-len(images) % multiple)]


def map_images(
    one_fn: Callable[[Any, Any], Any],
    shared: Any,
    batch: Any,
    *,
    mesh: Mesh | None,
    at_once: int = 1,
) -> Any:
    """Maps a function over the leading axis of a batch; for use under jit.

    Args:
      one_fn: of (shared inputs, one image) to any pytree of arrays.
      shared: inputs that are the same for every image, such as parameters.
      batch: a pytree of arrays whose leading axis counts images.
      mesh: devices that each take a share of the batch, along one axis ``"data"``; None
        for the default device.
      at_once: images that a device takes together; every share is a multiple of it
        (`filled`).

    Returns:
      What the function gives, with the leading axis of the batch.
    """

    def local_fn(shared: Any, batch: Any) -> Any:
        return jax.lax.map(
            lambda one: one_fn(shared, one),
            batch,
            batch_size=None if at_once == 1 else at_once,
        )

    if mesh is None:
        return local_fn(shared, batch)
    return jax.shard_map(
        local_fn,
        mesh=mesh,
        in_specs=(_EVERYWHERE, _SHARED),
        out_specs=_SHARED,
        check_vma=False,  # the loops start from constants that every device has
    )(shared, batch)


def on_all_devices(tree: Any, mesh: Mesh | None) -> Any:
    """A pytree of arrays with a copy on every device of a mesh; as it is for None."""
    if mesh is None:
        return tree
    return jax.device_put(tree, NamedSharding(mesh, _EVERYWHERE))
