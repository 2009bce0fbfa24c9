"""Programs, memory maps and memory of one process over many sizes of images."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from uhseg_jax.benchmarks import photographs, watch
from uhseg_jax.benchmarks.records import Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.methods import METHODS, recursive_spectral
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.processes import ProcessError, run_module
from uhseg_jax.refinement.config import DEFAULT_REFINE

__all__ = ["Case", "count_programs", "measure_programs"]

_SIDES = (64, 1200)  # of the longer side of images
_SMALL = "dinov2_test"  # its forward takes no time; making its weights, 80 programs


@dataclasses.dataclass(frozen=True)
class Case:
    """Whose programs are counted.

    Attributes:
      name: what it is called in the record.
      method: name of the method.
      preset: its parameters.
      refine: names of refiners; None for the method's own.
      model: name of the backbone.
      sizes: after how many images of random sizes the counts are taken; ascending.
      checkpoint_dir: folder of converted weights; None for the user's cache.
    """

    name: str
    method: str
    preset: str
    refine: str | None
    model: str
    sizes: tuple[int, ...]
    checkpoint_dir: str | None = None

    def segmenter(self) -> Segmenter:
        """What segments the images, with the blocks that a small backbone has."""
        config = METHODS.find(self.method).preset(self.preset)
        if self.model == _SMALL:
            request = dataclasses.replace(config.request, blocks=(-1,))
            config = dataclasses.replace(config, request=request)
        return Segmenter.create(
            method=self.method,
            model=self.model,
            config=config,
            refine=self.refine,
            checkpoint_dir=self.checkpoint_dir,
        )


def measure_programs(setting: Setting) -> Record:
    """Counts for the method of the setting and, as a rival, for refined two-way cuts.

    Each is a process of its own. Seconds are not taken: others may compute meanwhile.
    """
    sizes = tuple(sorted(setting.sizes))
    shared: dict[str, Any] = {"model": setting.model, "sizes": sizes}
    if setting.checkpoint_dir is not None:
        shared["checkpoint_dir"] = str(setting.checkpoint_dir)
    own = (setting.method, setting.preset, setting.refine)
    refined = (recursive_spectral.METHOD.name, "two_way", DEFAULT_REFINE)
    chosen = dict.fromkeys([own, refined] if setting.anchors else [own])
    cases = [
        Case(" ".join(filter(None, fields)), *fields, **shared) for fields in chosen
    ]
    facts: dict[str, Any] = {"backbone": setting.model, "sides": list(_SIDES)}
    for case in cases:
        facts[case.name] = _in_process(case)
    return Record(facts=facts)


def _in_process(case: Case) -> dict[str, Any]:
    text = json.dumps(dataclasses.asdict(case))
    done = run_module("uhseg_jax.benchmarks.programs", [text])
    if done.returncode:
        raise ProcessError(f"{case.name} ended with: {done.stderr[-1000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def count_programs(
    make: Callable[[], Segmenter],
    sizes: Sequence[tuple[int, int]],
    checkpoints: Sequence[int],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Segments images of these sizes and counts on the way.

    Args:
      make: makes what segments them; what that compiles counts as well.
      sizes: (rows, columns) of the images.
      checkpoints: after how many images the counts are given; ascending.

    Yields:
      The number of images, with programs, memory maps, memory, and the least and most
      leaves of their trees.
    """
    leaves = []
    with watch.Programs() as programs:
        segmenter = make()
        for index, size in enumerate(sizes):
            (found,) = segmenter([photographs.photograph(index, size)])
            leaves.append(len(np.unique(found.tree.labels)))
            if index + 1 in checkpoints:
                counts = {
                    **programs.to_dict(),
                    "resident_gb": round(watch.resident_memory(), 3),
                    "leaves": [min(leaves), max(leaves)],
                }
                yield index + 1, counts


def _main(text: str) -> None:
    fields = json.loads(text)
    case = Case(**{**fields, "sizes": tuple(fields["sizes"])})
    low, high = _SIDES
    sizes = list(photographs.random_sizes(max(case.sizes), low=low, high=high))
    counts = count_programs(case.segmenter, sizes, case.sizes)
    print(json.dumps({f"{count} sizes": found for count, found in counts}))


if __name__ == "__main__":
    _main(sys.argv[1])
