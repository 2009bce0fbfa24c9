"""What our figures are paired with: packages that users may or may not have."""

import dataclasses
import importlib.util
from collections.abc import Iterator

from uhseg_jax.registry import Registry

__all__ = ["ANCHORS", "Anchor", "are_installed", "missing"]


@dataclasses.dataclass(frozen=True)
class Anchor:
    """A package of others.

    Attributes:
      name: of its module.
      package: what the package index calls it.
      install: words after ``pip install``.
      shows: what it is timed or used for.
    """

    name: str
    package: str
    install: str
    shows: str

    @property
    def is_installed(self) -> bool:
        """Whether it can be imported."""
        return importlib.util.find_spec(self.name) is not None


ANCHORS = Registry(
    "anchor",
    [
        Anchor(
            "torch",
            "torch",
            "torch --index-url https://download.pytorch.org/whl/cpu",
            "the forward of the same architecture",
        ),
        Anchor("transformers", "transformers", "transformers", "models for torch"),
        Anchor(
            "ncut_pytorch", "ncut-pytorch", "ncut-pytorch", "cuts of the same features"
        ),
        Anchor("pydensecrf", "pydensecrf2", "pydensecrf2", "the dense CRF in C++"),
        Anchor("matplotlib", "matplotlib", "matplotlib", "the plot"),
    ],
)


def are_installed(*names: str) -> bool:
    """Whether all of these can be imported."""
    return all(ANCHORS.find(name).is_installed for name in names)


def missing(*names: str) -> Iterator[str]:
    """A sentence on every one of these that cannot be imported."""
    for anchor in map(ANCHORS.find, names):
        if not anchor.is_installed:
            yield (
                f"{anchor.package} is not installed, so {anchor.shows} is left out: "
                f"pip install {anchor.install}"
            )
