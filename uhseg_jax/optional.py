"""Packages that are no dependency, and how to get them where they are missing."""

import dataclasses
import importlib
import importlib.util
from types import ModuleType

from uhseg_jax.errors import SentenceError
from uhseg_jax.registry import Registry

__all__ = [
    "OPTIONAL",
    "MissingPackageError",
    "OptionalPackage",
    "imported",
    "is_installed",
]


class MissingPackageError(ImportError, SentenceError):
    """A package is not installed, or does not work; the message has its pip line."""


@dataclasses.dataclass(frozen=True)
class OptionalPackage:
    """A package that something needs and most users do without.

    Attributes:
      name: of its module.
      install: words after ``pip install``.
    """

    name: str
    install: str

    @property
    def advice(self) -> str:
        """The command that installs it."""
        return f"pip install {self.install}"


OPTIONAL = Registry(
    "optional package",
    [
        OptionalPackage("av", "'uhseg_jax[video]'"),
        OptionalPackage("cv2", "'uhseg_jax[flow]'"),
        OptionalPackage("higra", "higra"),
        OptionalPackage("nibabel", "'uhseg_jax[volumes]'"),
        OptionalPackage("openslide", "'uhseg_jax[slides]'"),
        OptionalPackage("pillow_heif", "'uhseg_jax[heif]'"),
        OptionalPackage("pyogrio", "'uhseg_jax[rasters]'"),
        OptionalPackage("rasterio", "'uhseg_jax[rasters]'"),
        OptionalPackage("supervision", "supervision"),
        OptionalPackage("tifffile", "'uhseg_jax[rasters]'"),
        OptionalPackage("tokenizers", "tokenizers"),
    ],
)
"""Those of this package, by the names of their modules."""


def is_installed(name: str) -> bool:
    """Whether a package of `OPTIONAL` is there; it is not imported."""
    return importlib.util.find_spec(OPTIONAL.find(name).name) is not None


def imported(name: str, wanted_by: str, *parts: str) -> ModuleType:
    """A package of `OPTIONAL`, imported.

    Args:
      name: of its module.
      wanted_by: what needs it, which begins the sentence where it is missing.
      parts: modules of it to import too.

    Raises:
      MissingPackageError: it is not installed, or cannot be imported.
    """
    package = OPTIONAL.find(name)
    try:
        found = importlib.import_module(package.name)
        for part in parts:
            importlib.import_module(f"{package.name}.{part}")
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and error.name == name
        state = "is not installed" if is_missing else f"cannot be imported ({error})"
        raise MissingPackageError(
            f"{wanted_by} needs the package {name}, which {state}: {package.advice}"
        ) from error
    return found
