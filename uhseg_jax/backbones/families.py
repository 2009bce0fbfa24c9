"""The families of backbones, and those that architectures of one's own name."""

from collections.abc import Mapping

import jax

from uhseg_jax.backbones.backbone import Family
from uhseg_jax.backbones.clip.family import TextSides
from uhseg_jax.backbones.clip.spec import TextSideSpec
from uhseg_jax.backbones.diffusion.family import DiffusionModels
from uhseg_jax.backbones.diffusion.spec import DiffusionSpec
from uhseg_jax.backbones.requests import Request
from uhseg_jax.backbones.variant import Spec
from uhseg_jax.backbones.vit.family import VisionTransformers
from uhseg_jax.backbones.vit.spec import ViTSpec

__all__ = ["FAMILIES", "can_answer", "family_of", "num_parameters"]

# The family that every kind of specification is of; one line each.
FAMILIES: Mapping[type, Family] = {
    ViTSpec: VisionTransformers(),
    DiffusionSpec: DiffusionModels(),
    TextSideSpec: TextSides(),
}


def family_of(spec: Spec) -> Family:
    """The family that a model is of: of `FAMILIES`, or the one that its spec names.

    Raises:
      ValueError: it is of none; the message says what a family lacks.
    """
    family = FAMILIES.get(type(spec), getattr(spec, "family", None))
    if isinstance(family, Family):
        return family
    members = (*Family.__annotations__, *vars(Family))
    lacking = [x for x in members if x[0] != "_" and not hasattr(family, x)]
    raise ValueError(
        "expected an architecture of a known family, or with an attribute family that "
        f"is a uhseg_jax.backbones.Family, but {type(spec).__name__}.family is "
        f"{family!r}, which lacks {', '.join(lacking)}; derive its class from "
        "uhseg_jax.backbones.PatchFamily."
    )


def can_answer(spec: Spec, request: Request) -> bool:
    """Whether a model answers a request."""
    try:
        family_of(spec).resolve(spec, request)
    except ValueError:
        return False
    return True


def num_parameters(spec: Spec) -> int:
    """The number of parameters of a model.

    Positions and registers count; the half of an autoencoder that decodes does not.
    """
    abstract = family_of(spec).abstract_params(spec)
    return sum(leaf.size for leaf in jax.tree.leaves(abstract))
