"""Settings of the whole suite: strict numerics, and where the real images are."""

import os
from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and ground truth; tests skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("UHSEG_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"real images are not here: no folder {folder} (UHSEG_SHARED)")
    return folder
