"""Models of one's own: a `Variant`, by itself or as ``FILE.py:NAME``.

Nothing is registered. A `Variant` says what a model is called, what its architecture
is and where its weights come from; an architecture of another family than ours names
that family itself (`family_of`).
"""

import dataclasses
import functools
import hashlib
import re
from typing import Any

from uhseg_jax.backbones.variant import Spec, Variant
from uhseg_jax.own_code import find_in_file
from uhseg_jax.python_files import source_digest

__all__ = ["as_own", "require_hashable", "variant_in_file"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")  # of a folder too


def variant_in_file(name: str, known: frozenset[str]) -> Variant:
    """The model that a file has under a name.

    Args:
      name: ``FILE.py:NAME``, the file by its path.
      known: names of the models of the package.

    Raises:
      ValueError: as `own_code.find_in_file`, `require_hashable` or `as_own`.
    """
    own = find_in_file(
        name, kind="model", expected="uhseg_jax.backbones.Variant", is_one=_is_variant
    )
    try:
        require_hashable(own.value)
        found = as_own(own.value, known, code=own.code_sha256)
    except ValueError as error:
        raise ValueError(f"{own.file}: {error}") from error
    return dataclasses.replace(found, place=name)


def require_hashable(variant: Variant) -> None:
    """Checks that a model can be kept in memory by what it is.

    Raises:
      ValueError: its specification or its source cannot be hashed.
    """
    for part in (variant.spec, variant.source):
        try:
            hash(part)
        except TypeError as error:
            raise ValueError(
                f"{variant.name}: expected a {type(part).__name__} that is hashable, "
                f"but it is not ({error}); make it a dataclass(frozen=True) whose "
                "fields are numbers, texts and tuples."
            ) from error


@functools.lru_cache(maxsize=16)
def as_own(variant: Variant, known: frozenset[str], *, code: str = "") -> Variant:
    """A model of one's own, if it can be one.

    Args:
      variant: the model.
      known: names of the models of the package.
      code: digest of the code that it comes from; empty: that of its architecture.

    Returns:
      The same with `Variant.code_sha256`, which is a part of the settings of runs.

    Raises:
      ValueError: its name is another model's, or cannot be that of a folder.
    """
    if not _NAME.fullmatch(variant.name):
        raise ValueError(
            "expected a name of letters, digits, dots, hyphens and underscores for a "
            "model, since its weights are kept in a folder of that name, but got "
            f"{variant.name!r}."
        )
    if variant.name in known:
        raise ValueError(
            f"a model of the package is called {variant.name!r}, and weights are kept "
            "by names; give the model another one."
        )
    described = f"{variant.spec!r} {code or _code_of(variant.spec)}"
    digest = hashlib.sha256(described.encode()).hexdigest()
    return dataclasses.replace(variant, code_sha256=digest)


def _code_of(spec: Spec) -> str:
    """Digest of the code of an architecture; empty for those of the package."""
    is_ours = type(spec).__module__.partition(".")[0] == __name__.partition(".")[0]
    return "" if is_ours else source_digest(type(spec))


def _is_variant(value: Any) -> bool:
    return isinstance(value, Variant)
