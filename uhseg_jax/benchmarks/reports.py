"""Timings as records that can be written down: of stages, and of forwards."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from uhseg_jax import backbones, images, methods
from uhseg_jax.benchmarks import forwards, refiners, stages, timing
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.scratch import scratch_folder
from uhseg_jax.types import UInt8

__all__ = ["time_forwards", "time_rivals", "time_stages"]


def time_stages(
    segmenter: Segmenter, image: Path | None, *, repeats: int
) -> tuple[dict[str, Any], UInt8[np.ndarray, "H W 3"]]:
    """Every stage of one image.

    Args:
      segmenter: the backbone and method.
      image: a file; None for scikit-image's astronaut.
      repeats: warm calls of each.

    Returns:
      The record, and the pixels of the image.
    """
    with scratch_folder() as folder:
        if image is None:
            name, pixels = images.demo_image()
            image = folder / f"{name}.png"
            Image.fromarray(pixels).save(image)
        calls = stages.stages(segmenter, image, folder)
        timings = timing.measure(calls, repeats=repeats)
        pixels = images.read_image(image)
    record = {
        "machine": timing.machine(),
        "image": list(pixels.shape[:2]),
        "stages": {name: found.to_dict() for name, found in timings.items()},
    }
    return record, pixels


def time_rivals(
    segmenter: Segmenter,
    pixels: UInt8[np.ndarray, "H W 3"],
    *,
    model: str,
    labels: Sequence[int],
    repeats: int,
) -> dict[str, Any]:
    """The eigen-solve, the refiners and the dense CRF beside their rivals.

    Args:
      segmenter: the backbone and method.
      pixels: an image.
      model: name of the backbone.
      labels: numbers of labels of the dense CRF's problems.
      repeats: warm calls of each.
    """
    release = methods.recursive_spectral.release()
    spectral = methods.recursive_spectral.METHOD.name
    plain = Segmenter.create(model=model, method=spectral, config=release)
    features = plain.features([pixels])[0]
    rows = features.reshape(-1, features.shape[-1])
    timings = timing.measure(stages.eigen_solves(rows), repeats=min(repeats, 3))
    timings |= timing.measure(refiners.refiners(segmenter, pixels), repeats=repeats)
    agreement = {}
    for count in labels:
        fields = refiners.mean_fields(*refiners.crf_problem(pixels, labels=count))
        timings |= timing.measure(fields, repeats=repeats)
        if len(fields) > 1:
            agreement[str(count)] = refiners.check_agreement(fields)
    return {
        "eigenvalue_difference": stages.check_agreement(rows),
        "dense_crf": agreement,
        "stages": {name: found.to_dict() for name, found in timings.items()},
    }


def time_forwards(
    names: Sequence[str], *, repeats: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The forward of every backbone in turn, with its name."""
    for name in names:
        side = forwards.usual_side(name)
        timings = timing.measure(forwards.forwards(name, side), repeats=repeats)
        imports, peak = forwards.peak_memory(name, side)
        yield (
            name,
            {
                "parameters": backbones.num_parameters(
                    backbones.get_variant(name).spec
                ),
                "side": side,
                "cells": (side // backbones.get_variant(name).spec.patch) ** 2,
                "timings": {key: found.to_dict() for key, found in timings.items()},
                "peak_gb": peak,
                "imports_gb": imports,
            },
        )
