"""Preparing one split in parts, so that an interrupted preparation goes on.

TFDS writes a dataset as a whole or not at all. Here every part is a configuration of
its own (``data_dir/voc2012/val-001-of-003/1.0.0``), written under a temporary name and
renamed when complete: parts that are there are not written again, and a run that was
killed loses at most the part it was at.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import logging
from tqdm import tqdm

from uhseg_jax.datasets.pairs import Pair, require_sizes
from uhseg_jax.datasets.source import DatasetError

if TYPE_CHECKING:
    from uhseg_jax.datasets.builder import Part, SegmentationBuilder

__all__ = ["PAIRS_PER_PART", "find_parts", "prepare", "stem_of"]

PAIRS_PER_PART = 500  # about 5 s of work for images of 500 x 400
# TFDS gathers a part in memory, and beyond 1 GB wants TensorFlow to go on. What is not
# plain JPEG or PNG grows when it is encoded anew.
BYTES_PER_PART = 2**27
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
    with _locked(folder), _quiet():
        paths = [
            folder / f"{stem}-{index:03}-of-{len(slices):03}" / str(builder.VERSION)
            for index in range(len(slices))
        ]
        missing = [i for i, x in enumerate(paths) if not _is_complete(x)]
        for index in set(range(len(paths))) - set(missing):
            _require_same(paths[index], _part(paths[index], split, slices[index]))
        # All sizes first: they are known from headers, and nobody wants to hear of the
        # last image after an hour.
        require_sizes([x for i in missing for x in slices[i]], where=builder.name)
        done = sum(len(x) for i, x in enumerate(slices) if i not in missing)
        name = f"{builder.name} {split}"
        with tqdm(
            total=len(pairs), initial=done, desc=name, unit="image", disable=not missing
        ) as bar:
            for index in missing:
                part = _part(paths[index], split, slices[index], report=bar.update)
                _prepare_part(builder, part, paths[index], data_dir)
    _report_count(builder, split, stem, len(pairs))
    return paths


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


def _part(
    path: Path,
    split: str,
    pairs: Sequence[Pair],
    *,
    report: Callable[[], object] = lambda: None,
) -> "Part":
    from uhseg_jax.datasets.builder import Part

    return Part(name=path.parent.name, split=split, pairs=pairs, report=report)


def _require_same(path: Path, part: "Part") -> None:
    """Checks that a part was prepared from the files that are there now."""
    try:
        found = json.loads((path / "metadata.json").read_text())["digest"]
    except (OSError, ValueError, KeyError):
        found = None
    if found != part.digest():
        raise DatasetError(
            f"{path} was prepared from other files: the images and masks of "
            f"{len(part.pairs)} examples from {part.pairs[0].name} on have other names "
            "or sizes now; remove the folder to prepare it anew, give another folder "
            "for prepared datasets (data_dir), or leave out the original files."
        )


def _prepare_part(
    builder: type["SegmentationBuilder"], part: "Part", path: Path, data_dir: Path
) -> None:
    for left in path.parent.glob("incomplete.*"):  # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory() as downloads,  # TFDS wants one
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        builder(data_dir=data_dir, config=part).download_and_prepare(
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
        logging.warning(
            "%s %s has %d examples here; as published it has %d.",
            *(builder.name, split, count, expected),
        )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Waits until no other process prepares into a folder; ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # not on Windows, where two at once are not guarded
        yield
        return
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the bars and notices of TFDS, which know parts and not the whole."""
    import tensorflow_datasets as tfds

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(verbosity)
