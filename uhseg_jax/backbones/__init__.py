"""Vision Transformers with exact positions, and the weights they run on."""

from uhseg_jax.backbones.backbone import (
    Backbone,
    convert_variant,
    default_dtype,
    load_backbone,
)
from uhseg_jax.backbones.checkpoints import checkpoint_directory, is_cached
from uhseg_jax.backbones.errors import WeightsError
from uhseg_jax.backbones.features import (
    FACETS,
    FeatureRequest,
    compute_features,
    forward_features,
    replicate,
    resolve_request,
)
from uhseg_jax.backbones.positions import POSITION_RULES, resize_positions
from uhseg_jax.backbones.rotary import ROTARY_RULES
from uhseg_jax.backbones.spec import MLP_RULES, ViTSpec, check_image_size
from uhseg_jax.backbones.variants import (
    DEFAULT_VARIANT,
    VARIANTS,
    Variant,
    get_variant,
)
from uhseg_jax.backbones.vit import BlockOutput, ViT, ViTOutput, num_parameters

__all__ = [
    "DEFAULT_VARIANT",
    "FACETS",
    "MLP_RULES",
    "POSITION_RULES",
    "ROTARY_RULES",
    "VARIANTS",
    "Backbone",
    "BlockOutput",
    "FeatureRequest",
    "Variant",
    "ViT",
    "ViTOutput",
    "ViTSpec",
    "WeightsError",
    "check_image_size",
    "checkpoint_directory",
    "compute_features",
    "convert_variant",
    "default_dtype",
    "forward_features",
    "get_variant",
    "is_cached",
    "load_backbone",
    "num_parameters",
    "replicate",
    "resize_positions",
    "resolve_request",
]
