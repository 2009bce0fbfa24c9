"""What the method reads of a backbone: patches, attention, class tokens."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones import Backbone, Request
from uhseg_jax.methods.multilevel_clustering.config import Config
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Float, Pixels

__all__ = ["ImageFeatures", "check_requests", "class_tokens", "image_features"]


@dataclasses.dataclass(frozen=True)
class ImageFeatures:
    """What is kept of one image between the passes.

    Half precision, whether saved or computed again, so that results do not depend on
    which.

    Attributes:
      patches: float16 ``[h, w, d]``, features of the patches, of unit length.
      attention: float32 ``[h, w]``, of the class token to them, mean over the heads.
      class_token: float32 ``[e]``.
    """

    patches: Float[np.ndarray, "h w d"]
    attention: Float[np.ndarray, "h w"]
    class_token: Float[np.ndarray, " e"]


def check_requests(backbone: Backbone, config: Config) -> None:
    """Refuses a model that does not have what the config asks for.

    Raises:
      ValueError: there is no such facet or block.
    """
    requests: list[Request] = [config.request]
    if config.regions == "tree":
        requests.append(config.tree_request)
    for request in requests:
        backbone.family.resolve(backbone.spec, request)


def image_features(backbone: Backbone, pixels: Pixels, config: Config) -> ImageFeatures:
    """The features of an image of any size."""
    found = backbone.answer(pixels, config.request)
    return ImageFeatures(
        np.asarray(_unit_vectors(found.patches)),
        np.asarray(found.attention),
        np.asarray(found.class_token),
    )


def class_tokens(
    backbone: Backbone,
    crops: Sequence[Pixels],
    config: Config,
    *,
    width: int,
) -> Float[np.ndarray, "n e"]:
    """Class tokens of ``width`` numbers, of crops that are resized one by one."""
    request = dataclasses.replace(config.request, grid=config.crop_grid)
    rows = [np.asarray(backbone.answer(x, request).class_token) for x in crops]
    return np.stack(rows) if rows else np.zeros((0, width), np.float32)


@jax.jit
def _unit_vectors(x: Float[jax.Array, "h w d"]) -> Float[jax.Array, "h w d"]:
    """Vectors of unit length, in half precision."""
    rows = numerics.normalize_rows(x.reshape(-1, x.shape[-1]))
    return rows.reshape(x.shape).astype(jnp.float16)
