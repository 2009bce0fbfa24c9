"""What is done for Vision Transformers in one way and for diffusion models in another.

A specification says which family a model is of; all else follows from it.
"""

from typing import Any

import jax
import jax.numpy as jnp

from uhseg_jax.backbones.diffusion import model
from uhseg_jax.backbones.diffusion.model import Diffusion
from uhseg_jax.backbones.diffusion.names import DIFFUSION_NAMING
from uhseg_jax.backbones.diffusion.spec import DiffusionSpec
from uhseg_jax.backbones.variant import Spec
from uhseg_jax.backbones.vit import model as vit
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.backbones.vit.model import ViT
from uhseg_jax.backbones.weights.convert import VIT_NAMING, Naming

Module = ViT | Diffusion


def module_of(
    spec: Spec, *, dtype: Any = jnp.float32, attention: AttentionRule = "chunked"
) -> Module:
    """The module of a model.

    Args:
      spec: the architecture.
      dtype: of matrix products and convolutions.
      attention: how attention is evaluated (`attention.py`).

    Returns:
      A Flax module without parameters.
    """
    if isinstance(spec, DiffusionSpec):
        return Diffusion(spec, dtype=dtype, attention=attention)
    return ViT(spec, dtype=dtype, attention=attention)


def naming_of(spec: Spec) -> Naming:
    """How checkpoints of a model's family name their arrays."""
    return DIFFUSION_NAMING if isinstance(spec, DiffusionSpec) else VIT_NAMING


def abstract_params(spec: Spec) -> dict[str, Any]:
    """The parameter tree of a model as shapes and dtypes, without computing anything.

    Args:
      spec: the architecture.

    Returns:
      A nested dict of `jax.ShapeDtypeStruct`.
    """
    if isinstance(spec, DiffusionSpec):
        return model.abstract_params(spec)
    return vit.abstract_params(spec)


def random_params(spec: Spec) -> Any:
    """Weights of the test variants: the same on every run.

    Args:
      spec: the architecture.

    Returns:
      A nested dict of float32 arrays.
    """
    if isinstance(spec, DiffusionSpec):
        return model.random_params(spec)
    image = jnp.zeros((1, spec.patch, spec.patch, 3), jnp.float32)
    return ViT(spec).init(jax.random.key(0), image)["params"]


def num_parameters(spec: Spec) -> int:
    """The number of parameters of a model.

    Args:
      spec: the architecture.

    Returns:
      The count: of a Vision Transformer positions and registers included, of a
      diffusion model without the half of the autoencoder that decodes.
    """
    return sum(leaf.size for leaf in jax.tree.leaves(abstract_params(spec)))
