"""What a collection method reads of a backbone: patches, attention, class tokens."""

import dataclasses
import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import backbones, images, methods
from uhseg_jax.extraction import for_backbone, image_sides, side_by_side
from uhseg_jax.methods import multilevel_clustering
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Float, UInt8

__all__ = ["Extractor", "ImageFeatures"]


@dataclasses.dataclass(frozen=True)
class ImageFeatures:
    """What is kept of one image between the passes.

    Half precision, whether saved or computed again, so that results do not depend on
    which.

    Attributes:
      patches: float16 ``[h, w, d]``, features of the patches, of unit length.
      attention: float32 ``[h, w]``, of the class token to them, mean over the heads.
      class_token: float32 ``[d]``.
    """

    patches: Float[np.ndarray, "h w d"]
    attention: Float[np.ndarray, "h w"]
    class_token: Float[np.ndarray, " e"]


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A backbone bound to a collection method's config.

    Attributes:
      backbone: the model with its weights.
      config: of the method.
    """

    backbone: backbones.Backbone
    config: multilevel_clustering.Config

    @classmethod
    def create(
        cls,
        *,
        model: str = backbones.DEFAULT_VARIANT,
        config: multilevel_clustering.Config | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
    ) -> "Extractor":
        """Loads the model and checks that it gives what the config asks for.

        Args:
          model: a name in `uhseg_jax.backbones.VARIANTS`.
          config: None for the default, at 60 patches a side.
          checkpoint_dir: folder of converted weights; None for the user's cache.

        Raises:
          ValueError: no such model, or it does not fit the config.
          backbones.WeightsError: the weights could not be had.
        """
        chosen = methods.get_method("multilevel_clustering")
        if config is None:
            spec = backbones.get_variant(model).spec
            config = for_backbone(chosen.preset(), spec)
        config = chosen.resolve_config(config)
        backbone = backbones.load_backbone(model, checkpoint_dir=checkpoint_dir)
        spec = backbone.vit.spec
        backbones.check_image_size(spec, *image_sides(config.image_size))
        backbones.check_image_size(spec, config.crop_size, config.crop_size)
        found = cls(backbone, config)
        requests = (*found._image_requests, found._class_request)
        if config.regions == "tree":
            requests += found._tree_requests
        for request in requests:
            backbones.resolve_request(request, spec)
        return found

    def image(self, pixels: UInt8[np.ndarray, "_ _ 3"]) -> ImageFeatures:
        """The features of an image of any size."""
        resized = images.resize(pixels, image_sides(self.config.image_size))
        patches, attention, token = self._forward(resized, self._image_requests)
        return ImageFeatures(
            np.asarray(_units(patches)),
            np.asarray(jnp.mean(attention, axis=0)),
            np.asarray(token),
        )

    def tree_features(
        self, pixels: UInt8[np.ndarray, "_ _ 3"]
    ) -> Float[Array, "h w d"]:
        """What the tree of an image is made from, at this config's image size."""
        resized = images.resize(pixels, image_sides(self.config.image_size))
        found = self._forward(resized, self._tree_requests)
        return side_by_side(tuple(x[None] for x in found))[0]

    def class_tokens(
        self, crops: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> Float[np.ndarray, "n e"]:
        """The class token of every crop, each resized by itself."""
        side = self.config.crop_size
        rows = [
            np.asarray(
                self._forward(images.resize(x, (side, side)), (self._class_request,))[0]
            )
            for x in crops
        ]
        width = self.backbone.vit.spec.width
        return np.stack(rows) if rows else np.zeros((0, width), np.float32)

    @property
    def _class_request(self) -> backbones.FeatureRequest:
        config = self.config
        return backbones.FeatureRequest(
            "class_token", config.class_block, config.class_normed
        )

    @property
    def _image_requests(self) -> tuple[backbones.FeatureRequest, ...]:
        config = self.config
        return (
            backbones.FeatureRequest(config.facet, config.block, config.normed),
            backbones.FeatureRequest("class_attention", config.attention_block),
            self._class_request,
        )

    @property
    def _tree_requests(self) -> tuple[backbones.FeatureRequest, ...]:
        blocks = self.config.tree_blocks
        return tuple(backbones.FeatureRequest("token", block) for block in blocks)

    def _forward(
        self,
        pixels: UInt8[np.ndarray, "H W 3"],
        requests: tuple[backbones.FeatureRequest, ...],
    ) -> tuple[Array, ...]:
        """One image by itself: products of other shapes round differently."""
        found = backbones.forward_features(
            self.backbone, pixels[None], requests=requests
        )
        return tuple(x[0] for x in found)


@jax.jit
def _units(x: Float[Array, "h w d"]) -> Float[Array, "h w d"]:
    """Vectors of unit length, in half precision."""
    rows = numerics.normalize_rows(x.reshape(-1, x.shape[-1]))
    return rows.reshape(x.shape).astype(jnp.float16)
