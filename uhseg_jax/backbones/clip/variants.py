"""The table of text sides of CLIP: spec, source and licence of each.

Each is called as the image encoder that it goes with, and "_text": both come from one
file, and are two checkpoints, so that whoever wants features alone does not load texts.
"""

from uhseg_jax.backbones.clip.spec import TextSideSpec
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.variant import Variant
from uhseg_jax.backbones.weights.sources import HubSource
from uhseg_jax.registry import Registry, suggest

__all__ = ["TEXT_SIDES", "labels_models", "text_side_of"]

_SUFFIX = "_text"

# Radford et al. 2021, table 20: the encoder of both base models, and of the large one.
_BASE = TextEncoderSpec(width=512, heads=8, projection=512)
_LARGE = TextEncoderSpec(projection=768)

# The vocabulary has no merges: 256 bytes, the same at the end of a word, start and end.
_TEST = TextSideSpec(
    text=TextEncoderSpec(
        vocabulary=514,
        width=24,
        depth=2,
        heads=2,
        start=512,
        end=513,
        padding=513,
        projection=16,
    ),
    image_width=32,
)


def _on_hub(
    image: str,
    spec: TextSideSpec,
    repository: str,
    parameters: int,
    *,
    file: str = "pytorch_model.bin",
) -> Variant:
    return Variant(
        name=image + _SUFFIX,
        spec=spec,
        source=HubSource(repository=repository, file=file, has_tokenizer=True),
        licence="MIT",
        parameters=parameters,
    )


TEXT_SIDES: Registry[Variant] = Registry(
    "text side of CLIP",
    (
        _on_hub(
            "clip_vitb32",
            TextSideSpec(text=_BASE),
            "openai/clip-vit-base-patch32",
            63_821_313,
        ),
        _on_hub(
            "clip_vitb16",
            TextSideSpec(text=_BASE),
            "openai/clip-vit-base-patch16",
            63_821_313,
        ),
        _on_hub(
            "clip_vitl14",
            TextSideSpec(text=_LARGE, image_width=1024),
            "openai/clip-vit-large-patch14",
            124_436_737,
            file="model.safetensors",
        ),
        # Random, made when loaded.
        Variant(
            name="clip_test" + _SUFFIX,
            spec=_TEST,
            source=None,
            licence="Apache-2.0",
            parameters=29_577,
        ),
    ),
)
"""The text sides of CLIP models by name."""


def labels_models() -> tuple[str, ...]:
    """The image encoders that have a text side, so that labels can be compared."""
    return tuple(name.removesuffix(_SUFFIX) for name in TEXT_SIDES)


def text_side_of(model: str) -> Variant:
    """The text side of an image encoder of CLIP.

    Raises:
      ValueError: there is none; the message lists the models that have one.
    """
    known = labels_models()
    if model not in known:
        raise ValueError(
            f"unknown model for labels {model!r}; expected one of {', '.join(known)}."
            f"{suggest(model, known)}"
        )
    return TEXT_SIDES[model + _SUFFIX]
