"""One model that has a name: its architecture, and whose weights it runs on."""

import dataclasses
from typing import Protocol, runtime_checkable

from uhseg_jax.backbones.weights.sources import Source

__all__ = ["Spec", "Variant", "random_variant"]


@runtime_checkable
class Spec(Protocol):
    """What the specifications of all families share; frozen and hashable.

    Those of families that are not ours also have ``family``, a `backbone.Family`.
    """

    @property
    def patch(self) -> int:
        """Pixels along the side of one patch of the grid that requests count."""
        ...

    @property
    def width(self) -> int | None:
        """Channels of the features of a patch; None where it has attention alone."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One set of weights.

    Attributes:
      name: what users call it.
      spec: its architecture; of a Vision Transformer, with the position rule of the
        code that published it.
      source: where the weights come from; None for those that the family makes itself
        (`backbone.Family.random_params`), as of the tests.
      licence: SPDX identifier of the weights' licence.
      parameters: how many the model has, where counting them takes seconds.
      code_sha256: digest of the code of a model of one's own; empty for ours.
      place: where a file has a model of one's own, as ``FILE.py:NAME``.
    """

    name: str
    spec: Spec
    source: Source | None
    licence: str = "none stated"
    parameters: int | None = None
    code_sha256: str = ""
    place: str = dataclasses.field(default="", compare=False)

    @property
    def flag(self) -> str:
        """What ``--model`` of the commands takes for it."""
        return self.place or ("FILE.py:NAME" if self.code_sha256 else self.name)


def random_variant(name: str, spec: Spec, parameters: int | None = None) -> Variant:
    """A variant for tests: random weights, made when they are loaded."""
    return Variant(
        name=f"{name}_test",
        spec=spec,
        source=None,
        licence="Apache-2.0",
        parameters=parameters,
    )
