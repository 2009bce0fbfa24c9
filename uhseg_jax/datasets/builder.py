"""What all dataset builders share: from the original files to TFDS, without TensorFlow.

A dataset is a folder with a builder (its layout, its splits and how a label map is
read), label hierarchies as text files and a README. Importing this module imports
`tensorflow_datasets`; `prepared` does so only when a dataset is asked for.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from uhseg_jax.datasets import masks
from uhseg_jax.datasets.identity import identify
from uhseg_jax.datasets.image_files import encode_image
from uhseg_jax.datasets.pairs import Pair, require_sizes
from uhseg_jax.datasets.source import DatasetError, stop_at
from uhseg_jax.taxonomy import NO_ID, Taxonomy
from uhseg_jax.types import Integer

__all__ = ["Part", "SegmentationBuilder"]

_MEMORY = 900 << 20  # TFDS gathers examples in memory up to 1000 MB


@dataclasses.dataclass(kw_only=True)
class Part(tfds.core.BuilderConfig):
    """Some pairs of one split, prepared together.

    Attributes:
      split: the split they belong to.
      pairs: the pairs, in order.
      report: called after every example.
    """

    split: str = ""
    pairs: Sequence[Pair] = dataclasses.field(default=(), repr=False)
    report: Callable[[], object] = dataclasses.field(default=lambda: None, repr=False)


class SegmentationBuilder(
    tfds.core.GeneratorBasedBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """A dataset of images and label maps, prepared from its original files.

    Prepared as it stands, it writes every split whose files are there. `preparation`
    prepares one split in parts, so that an interrupted run goes on.

    An example has the features ``name``, ``image`` (the original JPEG or PNG bytes
    where they are plain RGB), ``label`` (grey PNG of 8 or 16 bits) and those of
    `EXTRAS`, all PNG. The order is that of the pairs.

    Attributes:
      EXPECTED: examples that each split has as published.
      DEFAULT_SPLIT: the split that papers score.
      EXTRAS: names of further maps, of 16 bits: ``annotations`` (several label maps,
        one below the other) or ``instances``. What was prepared before one was added
        is read without it.
      LABEL_DTYPE: of the label map, uint8 or uint16.
      TAXONOMY: the text file beside the builder that lists all ids there are.
      MANUAL_DOWNLOAD_INSTRUCTIONS: the expected layout of files.
      CODE_SHA256: digest of the code of a builder of one's own; empty for ours, where
        another ``VERSION`` says that what is prepared is another.
    """

    VERSION = tfds.core.Version("1.0.0")
    EXPECTED: ClassVar[Mapping[str, int]]
    DEFAULT_SPLIT: ClassVar[str] = "val"
    EXTRAS: ClassVar[Sequence[str]] = ()
    LABEL_DTYPE: ClassVar[type] = np.uint8
    TAXONOMY: ClassVar[str] = "taxonomy.txt"
    CODE_SHA256: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any):
        # TFDS has datasets of its own under some of our names; ours are in `registry`.
        super().__init_subclass__(skip_registration=True, **kwargs)

    # -- what a dataset defines ----------------------------------------------------

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The file or folder that is there if a split is."""
        raise NotImplementedError

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """The pairs of a split that is there.

        Raises:
          DatasetError: files are missing or do not pair.
        """
        raise NotImplementedError

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """The label map of a pair, in raw ids, as ``label``, and those of `EXTRAS`.

        Raises:
          DatasetError: they cannot be read.
        """
        return {"label": masks.read_mask(pair.mask)}

    @classmethod
    def read_taxonomy(cls, *, view: str | None = None) -> Taxonomy:
        """A label hierarchy of the dataset: a text file beside the builder."""
        return Taxonomy.load(Path(inspect.getfile(cls)).parent / (view or cls.TAXONOMY))

    # -- what they share -----------------------------------------------------------

    @classmethod
    def pairs(cls, root: Path, split: str) -> list[Pair]:
        """The pairs of a split.

        Raises:
          DatasetError: there is no such split, its files are not there, or they do not
            pair; the message says what is missing and the expected layout.
        """
        cls.require_split(split)
        path = cls.split_path(root, split)
        if not path.exists():
            raise DatasetError(
                f"{cls.name}: {path} is missing. Expected below {root}:\n{cls.layout()}"
            )
        try:
            return cls.split_pairs(root, split)
        except DatasetError as error:
            raise DatasetError(f"{error}\nExpected layout:\n{cls.layout()}") from error

    @classmethod
    def require_split(cls, split: str) -> None:
        """Checks the name of a split.

        Raises:
          DatasetError: there is no such split.
        """
        if split not in cls.EXPECTED:
            raise DatasetError(
                f"{cls.name}: there is no split {split!r}; it has "
                f"{', '.join(cls.EXPECTED)}."
            )

    @classmethod
    def layout(cls) -> str:
        """The expected layout of files, for people."""
        return inspect.cleandoc(cls.MANUAL_DOWNLOAD_INSTRUCTIONS)

    def _info(self) -> tfds.core.DatasetInfo:
        label = {"shape": (None, None, 1), "encoding_format": "png"}
        features: dict[str, Any] = {
            "name": tfds.features.Text(),
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.Image(dtype=self.LABEL_DTYPE, **label),
        }
        for extra in self.EXTRAS:
            features[extra] = tfds.features.Image(dtype=np.uint16, **label)
        part = self.builder_config
        known = identify(part.pairs) if isinstance(part, Part) else {}
        if known and self.CODE_SHA256:
            known["code"] = self.CODE_SHA256
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(known),
            description=inspect.cleandoc(type(self).__doc__ or self.name),
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        part = self.builder_config
        if isinstance(part, Part):
            examples = self._generate_examples(part.pairs, report=part.report)
            return {part.split: examples}
        root = Path(dl_manager.manual_dir)
        splits = [x for x in self.EXPECTED if self.split_path(root, x).exists()]
        if not splits:
            wanted = ", ".join(str(self.split_path(root, x)) for x in self.EXPECTED)
            raise DatasetError(
                f"{self.name}: expected at least one of {wanted}, but none is there. "
                f"Expected below {root}:\n{self.layout()}"
            )
        return {x: self._generate_examples(self.pairs(root, x)) for x in splits}

    def _generate_examples(
        self, pairs: Sequence[Pair], *, report: Callable[[], object] = lambda: None
    ) -> Iterator[tuple[int, dict]]:
        """All examples; problems are gathered, and stop the preparation at the end."""
        require_sizes(pairs, where=self.name)
        known = self.read_taxonomy().ids
        known = known[known != NO_ID]
        problems: list[str] = []
        size = 0
        for index, pair in enumerate(pairs):
            try:
                example = self._example(pair, known)
            except DatasetError as error:
                problems.append(str(error))
            else:
                size += sum(map(len, example.values()))
                self._require_memory(size)
                yield index, example
            report()
        stop_at(
            problems, where=self.name, advice="Nothing was prepared; mend the files"
        )

    def _require_memory(self, size: int) -> None:
        if size > _MEMORY:
            raise DatasetError(
                f"{self.name}: a split of more than {_MEMORY >> 20} MB cannot be "
                "prepared at once, since TFDS then needs TensorFlow; prepare it with "
                "uhseg_jax.datasets.load, which does so in parts."
            )

    def _example(self, pair: Pair, known: np.ndarray) -> dict[str, Any]:
        maps = self.read_maps(pair)
        label = maps["label"]
        ids, counts = np.unique(label, return_counts=True)
        unknown = [
            f"{i} ({count} pixels)"
            for i, count in zip(ids, counts, strict=True)
            if i not in known
        ]
        if unknown:
            raise DatasetError(
                f"{pair.mask}: has ids that are none of {self.name}: "
                f"{', '.join(unknown)}"
            )
        return {
            "name": pair.name,
            "image": encode_image(pair.image, label.shape),
            "label": masks.encode_mask(label.astype(self.LABEL_DTYPE)),
            **{x: masks.encode_mask(maps[x].astype(np.uint16)) for x in self.EXTRAS},
        }
