"""Preparing one split in parts, so that an interrupted preparation goes on.

TFDS writes a dataset as a whole or not at all. Here every part is a configuration of
its own (``data_dir/voc2012/val-001-of-003/1.0.0``), written under a temporary name and
renamed when complete: parts that are there are not written again, and a run that was
killed loses at most the part it was at.
"""

import contextlib
import hashlib
import logging
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import logging as absl_logging
from tqdm import tqdm

from uhseg_jax.datasets.identity import is_of
from uhseg_jax.datasets.pairs import Pair, require_sizes
from uhseg_jax.datasets.source import DatasetError
from uhseg_jax.files import parse_json
from uhseg_jax.locks import FileLock, keep_trying

if TYPE_CHECKING:
    from uhseg_jax.datasets.builder import SegmentationBuilder

__all__ = ["PAIRS_PER_PART", "find_parts", "prepare", "stem_of"]

PAIRS_PER_PART = 500  # about 5 s of work for images of 500 x 400
# TFDS gathers a part in memory, and beyond 1 GB wants TensorFlow to go on. What is not
# plain JPEG or PNG grows when it is encoded anew.
BYTES_PER_PART = 2**27
_log = logging.getLogger(__name__)

_PATIENCE = 3.0  # seconds of waiting for another process without a word
_PART = re.compile(r"^(?P<stem>.+)-(?P<part>\d{3,})-of-(?P<parts>\d{3,})$")


def stem_of(split: str, names: Sequence[str] | None) -> str:
    """What the parts of a split are called; a selection gets a name of its own."""
    if names is None:
        return split
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    return f"{split}-only-{digest}"


def find_parts(
    builder: type["SegmentationBuilder"], data_dir: Path, stem: str
) -> list[Path] | None:
    """The folders of a prepared split, in order; None if it is not complete."""
    folder = data_dir / builder.name
    found: dict[int, dict[int, Path]] = {}
    for path in sorted(folder.glob(f"{stem}-*-of-*/{builder.VERSION}")):
        match = _PART.match(path.parent.name)
        if match and match["stem"] == stem and (path / "dataset_info.json").is_file():
            parts = found.setdefault(int(match["parts"]), {})
            parts[int(match["part"])] = path
    complete = [parts for count, parts in found.items() if len(parts) == count]
    if not complete:
        return None
    # Files may have been added between two preparations: the last one counts.
    newest = max(complete, key=lambda parts: parts[0].stat().st_mtime)
    return [newest[index] for index in range(len(newest))]


def prepare(
    builder: type["SegmentationBuilder"],
    pairs: Sequence[Pair],
    *,
    split: str,
    stem: str,
    data_dir: Path,
) -> list[Path]:
    """Prepares what is not prepared yet of some pairs of a split.

    Shows the progress in pairs. Processes that prepare the same dataset on one machine
    wait for one another.

    Args:
      builder: the dataset.
      pairs: what to prepare.
      split: the split they are of.
      stem: what the parts are called (`stem_of`).
      data_dir: where prepared datasets lie.

    Returns:
      The folders of the parts, in order.

    Raises:
      DatasetError: the files have problems; parts before them stay.
    """
    slices = _slices(pairs)
    folder = data_dir / builder.name
    paths = [
        folder / f"{stem}-{index:03}-of-{len(slices):03}" / str(builder.VERSION)
        for index in range(len(slices))
    ]
    if not all(map(_is_complete, paths)):
        with _alone_in(folder), _quiet():
            _prepare_missing(builder, split, dict(zip(paths, slices, strict=True)))
    for path, part in zip(paths, slices, strict=True):
        _require_same(builder, path, part)
    _report_count(builder, split, stem, len(pairs))
    return paths


def _prepare_missing(
    builder: type["SegmentationBuilder"],
    split: str,
    parts: Mapping[Path, Sequence[Pair]],
) -> None:
    """Prepares the parts that are not there; those that are must be of their pairs."""
    missing = [path for path in parts if not _is_complete(path)]
    for path in parts.keys() - missing:
        _require_same(builder, path, parts[path])
    # All sizes first: they are known from headers, and nobody wants to hear of the
    # last image after an hour.
    require_sizes([x for path in missing for x in parts[path]], where=builder.name)
    total = sum(map(len, parts.values()))
    waiting = sum(len(parts[path]) for path in missing)
    with tqdm(
        total=total,
        initial=total - waiting,
        desc=f"{builder.name} {split}",
        unit="image",
        disable=not missing,
    ) as bar:
        for path in missing:
            _prepare_part(builder, split, path, parts[path], report=bar.update)


def _slices(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs of every part, by number and size of files."""
    slices: list[list[Pair]] = []
    size = 0
    for pair in pairs:
        added = pair.image.stat().st_size  # masks take little beside it
        is_heavy = size + added > BYTES_PER_PART
        if not slices or is_heavy or len(slices[-1]) == PAIRS_PER_PART:
            slices.append([])
            size = 0
        slices[-1].append(pair)
        size += added
    return slices


def _require_same(
    builder: type["SegmentationBuilder"], path: Path, pairs: Sequence[Pair]
) -> None:
    """Checks that a part was prepared from the files that are there now, by this code.

    The code of our own builders does not count: their version does.
    """
    try:
        found = parse_json((path / "metadata.json").read_bytes())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not is_of(found, pairs):
        raise DatasetError(
            f"{path} was prepared from other files: the images and masks of "
            f"{len(pairs)} examples from {pairs[0].name} on have other names, sizes or "
            "contents now; remove the folder to prepare it anew, give another folder "
            "for prepared datasets (data_dir), or leave out the original files."
        )
    if found.get("code", "") != builder.CODE_SHA256:
        raise DatasetError(
            f"{path} was prepared by other code of the builder {builder.__name__}; "
            "remove the folder to prepare it anew, or give the builder another VERSION."
        )


def _prepare_part(
    builder: type["SegmentationBuilder"],
    split: str,
    path: Path,
    pairs: Sequence[Pair],
    *,
    report: Callable[[], object],
) -> None:
    from uhseg_jax.datasets.builder import Part

    part = Part(name=path.parent.name, split=split, pairs=pairs, report=report)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_writing(path.parent))
        path.parent.mkdir(exist_ok=True)
        for left in path.parent.glob("incomplete.*"):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        # TFDS wants one. Here the next run finds it if this one is killed.
        downloads = stack.enter_context(
            tempfile.TemporaryDirectory(dir=path.parent, prefix="incomplete.")
        )
        nowhere = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        builder(data_dir=path.parents[2], config=part).download_and_prepare(
            download_dir=downloads, file_format="array_record"
        )
    if not _is_complete(path):
        raise DatasetError(
            f"{path}: the part was not written; remove the folder and prepare again."
        )


def _is_complete(path: Path) -> bool:
    return (path / "dataset_info.json").is_file()


def _report_count(
    builder: type["SegmentationBuilder"], split: str, stem: str, count: int
) -> None:
    expected = builder.EXPECTED[split]
    if stem == split and count != expected:
        _log.warning(
            "%s %s has %d examples here; as published it has %d.",
            *(builder.name, split, count, expected),
        )


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Waits until no other process prepares into a folder; ends with the process.

    Says so after some seconds.

    Raises:
      DatasetError: the folder cannot be written to.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".uhseg.lock")
    with contextlib.closing(lock):
        if not keep_trying(lock.try_alone, patience=_PATIENCE):
            tqdm.write(
                f"{folder}: another process prepares this dataset; waiting for it.",
                file=sys.stderr,
            )
            keep_trying(lock.try_alone, patience=math.inf)
        yield


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns errors of writing into a sentence.

    Raises:
      DatasetError: in place of an OSError, or of the RuntimeError of array_record.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            f"{folder}: expected to prepare the dataset there, but it cannot be "
            f"written ({error}). Free some space, or give another folder for prepared "
            "datasets (data_dir); parts that are finished stay."
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the bars and notices of TFDS, which know parts and not the whole."""
    import tensorflow_datasets as tfds

    verbosity = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.enable_progress_bar()
        absl_logging.set_verbosity(verbosity)
