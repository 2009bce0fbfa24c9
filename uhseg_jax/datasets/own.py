"""Datasets of one's own, as ``FILE.py:NAME``: a builder, a layout, or a source."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uhseg_jax.datasets.instances import InstanceDataset
from uhseg_jax.datasets.pairs import read_names
from uhseg_jax.datasets.source import DatasetError, Source
from uhseg_jax.files import expand_home
from uhseg_jax.images import PathLike
from uhseg_jax.own_code import find_in_file
from uhseg_jax.python_files import failure

if TYPE_CHECKING:
    from uhseg_jax.datasets.builder import SegmentationBuilder

__all__ = ["OwnBuilder", "OwnSource", "dataset_in_file"]

_EXPECTED = "SegmentationBuilder, InstanceDataset or function of a folder"


@dataclasses.dataclass(frozen=True)
class OwnBuilder:
    """A builder in a file of a user.

    Attributes:
      name: such as "mine.py:Mine".
      builder: the class, with `SegmentationBuilder.CODE_SHA256`.
    """

    name: str
    builder: type["SegmentationBuilder"]
    view = depth = None  # of its label hierarchy: as it is; see `registry.Entry`

    def load_builder(self) -> type["SegmentationBuilder"]:
        """The builder."""
        return self.builder


@dataclasses.dataclass(frozen=True)
class OwnSource:
    """A function in a file of a user that opens a dataset.

    Attributes:
      name: such as "mine.py:open_mine".
      file: the file.
      open_fn: of a folder and, where they are said, ``split`` and ``names``, to a
        `Source`.
    """

    name: str
    file: str
    open_fn: Callable[..., Any]

    def open(
        self,
        root: PathLike | None,
        *,
        split: str | None = None,
        names: Sequence[str] | PathLike | None = None,
    ) -> Source:
        """The dataset.

        Args:
          root: folder with the files; None is refused.
          split: the split, where one is said.
          names: the examples to take, where some are said: a list, or its file.

        Raises:
          DatasetError: the function failed, or gave none; the message has the line.
        """
        if root is None:
            raise DatasetError(
                f"{self.name}: no folder of original files was given (manual_dir)."
            )
        if isinstance(names, (str, os.PathLike)):
            names = read_names(names)
        said = {"split": split or None, "names": names}
        given = {key: value for key, value in said.items() if value is not None}
        try:
            found = self.open_fn(expand_home(root), **given)
        except DatasetError:
            raise
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            raise DatasetError(
                f"{failure(error, self.file)}; mend the file."
            ) from error
        if not isinstance(found, Source):
            wanted = ("name", "taxonomy", "__len__", "__getitem__", "fingerprint")
            lacking = [x for x in wanted if not hasattr(found, x)]
            raise DatasetError(
                f"{self.file}: expected a uhseg_jax.datasets.Source of {self.name}, "
                f"but got a {type(found).__name__}, which lacks {', '.join(lacking)}."
            )
        return found


def dataset_in_file(name: str) -> OwnBuilder | OwnSource | InstanceDataset:
    """The dataset that a file has under a name.

    Args:
      name: ``FILE.py:NAME``, the file by its path.

    Raises:
      ValueError: as `own_code.find_in_file`, or the builder lacks something.
    """
    own = find_in_file(name, kind="dataset", expected=_EXPECTED, is_one=_is_dataset)
    if isinstance(own.value, InstanceDataset):
        return own.value
    if not hasattr(own.value, "split_pairs"):
        return OwnSource(own.name, str(expand_home(own.file)), own.value)
    if not hasattr(own.value, "EXPECTED"):
        raise ValueError(
            f"{own.file}: expected a builder {own.value.__name__} with EXPECTED, which "
            "says how many examples each split has, but it has none."
        )
    return OwnBuilder(own.name, _with_code(own.value, own.code_sha256))


def _with_code(
    builder: type["SegmentationBuilder"], code_sha256: str
) -> type["SegmentationBuilder"]:
    """A builder that says what code it is; what it prepares depends on that.

    A class of its own: the file may have imported the builder, even one of ours.
    """
    own = {
        "__module__": builder.__module__,  # whose file has the label hierarchy beside
        "__doc__": builder.__doc__,
        "name": builder.name,  # which TFDS makes anew of that of each class
        "CODE_SHA256": code_sha256,
    }
    return type(builder.__name__, (builder,), own)


def _is_dataset(value: Any) -> bool:
    return callable(value) or isinstance(value, InstanceDataset)
