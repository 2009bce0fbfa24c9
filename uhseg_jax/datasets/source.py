"""What an evaluation asks of a dataset, and how it is told that it gets none."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from uhseg_jax.datasets.objects import Objects
from uhseg_jax.images import ImageError
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Integer, UInt8

__all__ = ["DatasetError", "Example", "Source", "objects_of", "reading", "stop_at"]

_NAMED = 16  # problems that a message names; the rest are counted


class DatasetError(ValueError):
    """A dataset is not there or not as it should be; the message says what is."""


@contextlib.contextmanager
def reading(
    path: object,
    expected: str,
    *,
    advice: str = "use the original file",
    errors: type[Exception] = Exception,
) -> Iterator[None]:
    """Turns whatever reading a file raises into one sentence.

    Args:
      path: the file.
      expected: what it should hold.
      advice: what to do, a clause without its full stop.
      errors: those that are turned. By default all, for decoders raise nearly anything
        on damaged files.

    Raises:
      DatasetError: the block raised one of them; a DatasetError stays as it is.
    """
    try:
        yield
    except DatasetError:
        raise
    except ImageError as error:  # a sentence already
        raise DatasetError(str(error)) from error
    except errors as error:
        raise DatasetError(
            f"{path}: expected {expected}, but it cannot be read ({error!r}); {advice}."
        ) from error


def stop_at(problems: Sequence[str], *, where: object, advice: str) -> None:
    """Stops if there is any problem.

    Args:
      problems: one phrase each, with the file or name it is about.
      where: what was looked at, usually a folder.
      advice: what to do, a sentence without its full stop.

    Raises:
      DatasetError: there are problems; the message names the first 16 and counts all.
    """
    if not problems:
        return
    named = "".join(f"\n  {problem}" for problem in problems[:_NAMED])
    rest = len(problems) - _NAMED
    more = f"\n  and {rest} more" if rest > 0 else ""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise DatasetError(f"{where}: found {count}:{named}{more}\n{advice}.")


@dataclasses.dataclass(frozen=True)
class Example:
    """One image with its ground truth.

    Attributes:
      name: unique in its dataset; names the image in reports.
      image: uint8 ``[H, W, 3]``.
      labels: raw ids of the dataset, ``[H, W]``, as its taxonomy lists them.
      annotations: where several people annotated the image, ``[a, H, W]``: the region
        of every pixel by each of them (BSDS500), of which ``labels`` is the first.
      instances: where single objects are told apart, ``[H, W]``: ids from 1, 0 where
        there is none, -1 where a pixel does not count (COCO,
        Cityscapes, KITTI-STEP, Pascal-Part).
      objects: where the dataset lists its objects, masks that may overlap (COCO's
        instances, LVIS, SA-1B); `objects_of` makes them of ``instances`` where
        it does not.
    """

    name: str
    image: UInt8[np.ndarray, "H W 3"]
    labels: Integer[np.ndarray, "H W"]
    annotations: Integer[np.ndarray, "a H W"] | None = None
    instances: Integer[np.ndarray, "H W"] | None = None
    objects: Objects | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays and of its result, nearly."""
        # Labels, of a result and of superpixels, have four bytes, pixels three.
        return 4 * self.image.nbytes + self.labels.nbytes


def objects_of(example: Example, *, taxonomy: Taxonomy | None = None) -> Objects | None:
    """The objects of an example; None where its dataset does not tell any apart.

    Those that the dataset lists are returned; else they are made of its map of
    instances, if it has one.

    Args:
      example: the image with its ground truth.
      taxonomy: of its labels, if parts shall be objects too where they are only in the
        labels (`Objects.from_map`; Pascal-Part).
    """
    if example.objects is not None or example.instances is None:
        return example.objects
    labels = None if taxonomy is None else example.labels
    return Objects.from_map(
        example.instances, example.name, labels=labels, taxonomy=taxonomy
    )


@runtime_checkable
class Source(Protocol):
    """A dataset in a fixed order, read one example at a time.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: what the ids in the labels are.
    """

    name: str
    taxonomy: Taxonomy

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def __getitem__(self, index: int) -> Example:
        """The example at a position; reads it from disk."""
        ...

    def fingerprint(self) -> str:
        """Tells these examples from others, by what their files hold.

        Scores go on only where it is the same: it changes with the names, their order
        and the bytes of files, not with where these lie and how old they are.
        """
        ...
