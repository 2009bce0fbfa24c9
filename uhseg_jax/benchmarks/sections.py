"""What the benchmark measures, section by section."""

import dataclasses
from collections.abc import Callable

from uhseg_jax.benchmarks.borders import measure_borders
from uhseg_jax.benchmarks.cut import measure_cut
from uhseg_jax.benchmarks.first import measure_first
from uhseg_jax.benchmarks.floor import measure_floor
from uhseg_jax.benchmarks.folder import measure_folder
from uhseg_jax.benchmarks.forwards import measure_forwards
from uhseg_jax.benchmarks.programs import measure_programs
from uhseg_jax.benchmarks.records import Record
from uhseg_jax.benchmarks.scores import measure_scores
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.stages import measure_stages
from uhseg_jax.benchmarks.throughput import measure_throughput
from uhseg_jax.registry import Registry

__all__ = ["DEFAULT_SECTIONS", "SECTIONS", "Section"]


@dataclasses.dataclass(frozen=True)
class Section:
    """One kind of figures.

    Attributes:
      name: in flags and files.
      summary: what it measures, in a few words.
      measure_fn: takes the setting and gives the record.
      is_default: whether it is measured when no section is named.
    """

    name: str
    summary: str
    measure_fn: Callable[[Setting], Record]
    is_default: bool = False

    def measure(self, setting: Setting) -> Record:
        """What ``measure_fn`` finds."""
        return self.measure_fn(setting)


SECTIONS = Registry(
    "section",
    [
        Section(
            "stages", "every stage of one image, and the whole beside torch's forward",
            measure_stages, is_default=True,
        ),
        Section(
            "forward", "forwards in float32 and bfloat16 beside torch's",
            measure_forwards, is_default=True,
        ),
        Section(
            "cut", "features to masks beside ncut-pytorch, and the eigen-solve",
            measure_cut, is_default=True,
        ),
        Section(
            "borders", "refiners beside the forward, the dense CRF beside pydensecrf",
            measure_borders, is_default=True,
        ),
        Section(
            "floor", "rates of products and memory, and what a forward needs of them",
            measure_floor, is_default=True,
        ),
        Section(
            "first", "the command as a process, with empty and with warm caches",
            measure_first,
        ),
        Section(
            "folder", "seconds an image, programs and memory over a folder",
            measure_folder,
        ),
        Section(
            "throughput", "a folder by a warm process beside its forwards alone",
            measure_throughput,
        ),
        Section(
            "programs", "programs, memory maps and memory over many random sizes",
            measure_programs,
        ),
        Section(
            "scores", "scores in float32 and bfloat16, and seconds of boundaries",
            measure_scores,
        ),
    ],
)  # fmt: skip

DEFAULT_SECTIONS = tuple(name for name, x in SECTIONS.items() if x.is_default)
