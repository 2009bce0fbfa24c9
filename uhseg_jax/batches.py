"""One function over the images of a batch, on one device or on many.

Images are taken one after the other (`lax.map`), not by vmap: products of other shapes
round differently, so a result would depend on its neighbours in the batch, and
conditionals that skip work would become selects.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

__all__ = ["map_images", "on_all_devices"]

_EVERYWHERE, _SHARED = PartitionSpec(), PartitionSpec("data")


def map_images(
    one_fn: Callable[[Any, Any], Any], shared: Any, batch: Any, *, mesh: Mesh | None
) -> Any:
    """Maps a function over the leading axis of a batch; for use under jit.

    Args:
      one_fn: of (shared inputs, one image) to any pytree of arrays.
      shared: inputs that are the same for every image, such as parameters.
      batch: a pytree of arrays whose leading axis counts images.
      mesh: devices that each take a share of the batch, along one axis ``"data"``; None
        for the default device.

    Returns:
      What the function gives, with the leading axis of the batch.
    """

    def local_fn(shared: Any, batch: Any) -> Any:
        return jax.lax.map(lambda one: one_fn(shared, one), batch)

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
