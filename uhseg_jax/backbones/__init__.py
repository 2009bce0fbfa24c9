"""Vision Transformers, latent diffusion models, and the weights they run on."""

from uhseg_jax.backbones.backbone import Backbone, Extractor, Family
from uhseg_jax.backbones.clip.variants import (
    TEXT_SIDES,
    labels_models,
    text_side_of,
)
from uhseg_jax.backbones.clip.vectors import Clip, load_clip
from uhseg_jax.backbones.diffusion.model import Diffusion, check_image_sides
from uhseg_jax.backbones.diffusion.prompts import prompt_ids, read_prompt
from uhseg_jax.backbones.diffusion.self_attention import (
    check_request,
    compute_self_attention,
    self_attention_maps,
)
from uhseg_jax.backbones.diffusion.spec import DiffusionSpec
from uhseg_jax.backbones.dtypes import AUTO, DTYPES, default_dtype, resolve_dtype
from uhseg_jax.backbones.families import can_answer, family_of, num_parameters
from uhseg_jax.backbones.loading import (
    abstract_backbone,
    convert_variant,
    find_backbone,
    load_backbone,
)
from uhseg_jax.backbones.patch_family import PatchFamily
from uhseg_jax.backbones.requests import (
    ATTENTION_SOURCES,
    PATCH_FACETS,
    AttentionRequest,
    ClassTokenFeatures,
    ClassTokenRequest,
    PatchRequest,
    Request,
    grid_shape,
)
from uhseg_jax.backbones.variant import Variant
from uhseg_jax.backbones.variants import DEFAULT_VARIANT, VARIANTS, get_variant
from uhseg_jax.backbones.vit.features import (
    FACETS,
    FeatureRequest,
    compute_features,
    forward_features,
    resolve_request,
    vit_spec,
)
from uhseg_jax.backbones.vit.model import BlockOutput, ViT, ViTOutput
from uhseg_jax.backbones.vit.positions import POSITION_RULES, resize_positions
from uhseg_jax.backbones.vit.rotary import ROTARY_RULES
from uhseg_jax.backbones.vit.spec import MLP_RULES, ViTSpec, check_image_size
from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.replacing import is_cached, is_replaceable
from uhseg_jax.backbones.weights.sources import (
    FileSource,
    HubSource,
    UrlSource,
    WheelSource,
)
from uhseg_jax.cache import checkpoint_directory

__all__ = [
    "ATTENTION_SOURCES",
    "AUTO",
    "DEFAULT_VARIANT",
    "DTYPES",
    "FACETS",
    "MLP_RULES",
    "PATCH_FACETS",
    "POSITION_RULES",
    "ROTARY_RULES",
    "TEXT_SIDES",
    "VARIANTS",
    "AttentionRequest",
    "Backbone",
    "BlockOutput",
    "ClassTokenFeatures",
    "ClassTokenRequest",
    "Clip",
    "Diffusion",
    "DiffusionSpec",
    "Extractor",
    "Family",
    "FeatureRequest",
    "FileSource",
    "HubSource",
    "PatchFamily",
    "PatchRequest",
    "Request",
    "UrlSource",
    "Variant",
    "ViT",
    "ViTOutput",
    "ViTSpec",
    "WeightsError",
    "WheelSource",
    "abstract_backbone",
    "can_answer",
    "check_image_sides",
    "check_image_size",
    "check_request",
    "checkpoint_directory",
    "compute_features",
    "compute_self_attention",
    "convert_variant",
    "default_dtype",
    "family_of",
    "find_backbone",
    "forward_features",
    "get_variant",
    "grid_shape",
    "is_cached",
    "is_replaceable",
    "labels_models",
    "load_backbone",
    "load_clip",
    "num_parameters",
    "prompt_ids",
    "read_prompt",
    "resize_positions",
    "resolve_dtype",
    "resolve_request",
    "self_attention_maps",
    "text_side_of",
    "vit_spec",
]
