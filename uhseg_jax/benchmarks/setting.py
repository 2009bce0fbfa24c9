"""What a run of the benchmark was told: by flags, or by tests."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from uhseg_jax import images
from uhseg_jax.backbones import AUTO, DEFAULT_VARIANT, resolve_dtype
from uhseg_jax.methods import DEFAULT_METHOD, METHODS
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.scratch import scratch_folder
from uhseg_jax.types import UInt8

__all__ = ["Setting"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured, and how often.

    Attributes:
      model: name of the backbone.
      method: name of the method.
      preset: its parameters.
      refine: names of refiners; None for the method's own.
      dtype: of the backbone's products, where a section has no dtype of its own.
      checkpoint_dir: folder of converted weights; None for the user's cache.
      image: an image file; None for scikit-image's astronaut.
      folder: of images; None for twelve generated ones.
      repeats: rounds in which contenders take turns.
      anchors: whether rivals are timed as well.
      labels: numbers of labels of the dense CRF's problems.
      models: backbones whose forward is timed, on 60 x 60 patches with random weights.
      images_count: images of the section "throughput".
      sizes: numbers of random sizes of the section "programs".
      fetch: whether the first image also fetches the weights.
      baseline: a checkout of another version of the package, to take turns with.
      evaluate: flags of uhseg-evaluate with absolute paths, for scores beside speed.
    """

    model: str = DEFAULT_VARIANT
    method: str = DEFAULT_METHOD
    preset: str = "default"
    refine: str | None = None
    dtype: str = AUTO
    checkpoint_dir: Path | None = None
    image: Path | None = None
    folder: Path | None = None
    repeats: int = 5
    anchors: bool = True
    labels: tuple[int, ...] = (27,)
    models: tuple[str, ...] = ()
    images_count: int = 24
    sizes: tuple[int, ...] = (12,)
    fetch: bool = False
    baseline: Path | None = None
    evaluate: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the dtype that this machine takes."""
        fields = dataclasses.asdict(self) | {"dtype": str(resolve_dtype(self.dtype))}
        return {x: str(y) if isinstance(y, Path) else y for x, y in fields.items()}

    def segmenter(self, **changes: Any) -> Segmenter:
        """The backbone, method and refinement.

        Args:
          **changes: arguments of `Segmenter.create` that replace those of the setting.
        """
        method = changes.pop("method", self.method)
        if "config" not in changes and method == self.method:
            changes["config"] = METHODS.find(method).preset(self.preset)
        chosen = {
            "model": self.model,
            "refine": self.refine,
            "dtype": self.dtype,
            "checkpoint_dir": self.checkpoint_dir,
        }
        return Segmenter.create(method=method, **(chosen | changes))

    def pixels(self) -> UInt8[np.ndarray, "H W 3"]:
        """The image."""
        if self.image is None:
            return images.demo_image()[1]
        return images.read_image(self.image)

    @contextmanager
    def image_file(self) -> Iterator[Path]:
        """The image as a file."""
        if self.image is not None:
            yield self.image
            return
        with scratch_folder() as folder:
            name, pixels = images.demo_image()
            path = folder / f"{name}.png"
            Image.fromarray(pixels).save(path)
            yield path
