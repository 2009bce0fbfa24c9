"""Settings of the whole suite: strict numerics, and where the real images are."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

# Read when JAX is imported. The suite compiles hundreds of small programs and runs
# each a few times: LLVM's optimisations would take longer than they save. The variable
# keeps them, for tests of the programs that users run.
if not os.environ.get("UHSEG_TEST_OPTIMISED"):
    os.environ["XLA_FLAGS"] = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"
    )

import hypothesis
import jax
import pytest

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# A shell that starts the suite in the background has it ignore interrupts, and the
# processes that tests interrupt would inherit that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # or else into the user's own folder
    jax.config.update("jax_enable_compilation_cache", False)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


# Linux lets a process map 65,530 pieces of memory, and a compiled program takes about
# fifteen; beyond, the compiler crashes.
_MOST_MAPS = 45_000


# Files that take longest. One that came last would leave the other process idle.
_LONGEST = (
    *("test_diffusion_walk.py", "test_api.py", "test_vit.py", "test_passes.py"),
    *("test_recursive_spectral.py", "test_self_attention.py", "test_mean_field.py"),
    *("test_refine.py", "test_grow.py", "test_rules.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture(autouse=True, scope="module")
def _few_compiled_programs() -> Iterator[None]:
    """Forgets what was compiled when there is too much of it."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > _MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(autouse=True, scope="session")
def _float32() -> Iterator[None]:
    """Backbones compute in float32 where nothing is said, on every processor.

    Tests compare with references in float32; those of other dtypes name them.
    """
    with pytest.MonkeyPatch.context() as patch:
        # By name: the package is imported when its annotations can be checked.
        patch.setattr("uhseg_jax.backbones.dtypes.instructions", lambda: "")
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and ground truth; tests skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("UHSEG_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"real images are not here: no folder {folder} (UHSEG_SHARED)")
    return folder
