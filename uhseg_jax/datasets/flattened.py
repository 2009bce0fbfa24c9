"""A dataset seen at one level of its label hierarchy."""

import dataclasses

import numpy as np

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.taxonomy import IGNORED, Case, Taxonomy

__all__ = ["FlattenedSource"]


class FlattenedSource:
    """Another source whose classes deeper than a depth count as their ancestor.

    With depth 0 the top level remains: the 27 classes of COCO-Stuff. The ids of the
    labels are then class indices from 0, and one more for what is ignored.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: flat, with the classes of that depth.
    """

    def __init__(self, source: Source, *, depth: int):
        """Makes the view.

        Args:
          source: the dataset.
          depth: the deepest level that remains, 0 for the top.
        """
        self.name = source.name
        self._source = source
        self._depth = depth
        self._classes = source.taxonomy.flat(depth=depth)
        has_background = bool(np.any(source.taxonomy.cases == Case.BACKGROUND))
        rows = [
            (name, index, Case.FOREGROUND, 0)
            for index, name in enumerate(self._classes.names)
        ]
        if has_background:  # the first class
            rows[0] = (*rows[0][:2], Case.BACKGROUND, 0)
        rows.append(("ignored", len(rows), Case.IGNORE, 0))
        self.taxonomy: Taxonomy = Taxonomy.from_rows(rows)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._source)

    def fingerprint(self) -> str:
        """That of the other source, with the depth."""
        return f"{self._source.fingerprint()} depth {self._depth}"

    def __getitem__(self, index: int) -> Example:
        """The example at a position, its labels as class indices."""
        example = self._source[index]
        labels = self._classes.encode(example.labels)
        labels[labels == IGNORED] = self._classes.num_classes
        return dataclasses.replace(example, labels=labels.astype(np.uint16))
