"""The images of a run with features of one's own."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from uhseg_jax.features import FeatureFolder
from uhseg_jax.images import ImageError
from uhseg_jax.runs.images import RunImage

__all__ = ["with_features"]


def with_features(
    images: Sequence[RunImage], folder: FeatureFolder | None
) -> tuple[RunImage, ...]:
    """Images that know where their features are.

    Two that would have the features of one file have a problem; those that have none
    say so when they are read.

    Args:
      images: of the run.
      folder: with their features; None where a backbone gives them.
    """
    if folder is None:
        return tuple(images)
    first: dict[Path, RunImage] = {}
    found = []
    for image in images:
        problem = image.problem
        try:
            path = folder.path_of(image.title)
            other = first.setdefault(path, image)
        except ImageError:
            other = image
        if other is not image:
            problem = problem or (
                f"{image.title}: its features would be those of {other.title}, {path}; "
                "name files of features after images with their suffixes, as in "
                f"{Path(image.title).name}.npy."
            )
        found.append(dataclasses.replace(image, features=folder, problem=problem))
    return tuple(found)
