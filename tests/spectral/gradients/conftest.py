"""Derivatives are compared in float64, to many digits."""

import pytest
from jax_versions import enable_x64


@pytest.fixture
def float64():
    with enable_x64(True):
        yield
