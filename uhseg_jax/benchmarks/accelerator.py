"""What an accelerator does with batches: one run, written down as it goes.

    python -m uhseg_jax.benchmarks.accelerator --json=FILE [--quick] [flags]

Weights are random, so that nothing is fetched. Every section is written as soon as it
is measured, and none is begun when the time is up. benchmarks/accelerator.sh is the
script that runs it on a machine with a GPU.
"""

import dataclasses
import functools
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from uhseg_jax import backbones
from uhseg_jax.backbones import ViTSpec
from uhseg_jax.benchmarks import anchors, photographs, torch_vit, watch
from uhseg_jax.benchmarks.floor import forward_cost
from uhseg_jax.benchmarks.forwards import our_forward, random_backbone
from uhseg_jax.benchmarks.machine import machine
from uhseg_jax.benchmarks.records import Figure, Record, table
from uhseg_jax.benchmarks.timing import Calls, Timing, measure
from uhseg_jax.entry import own_settings
from uhseg_jax.files import write_json
from uhseg_jax.methods import METHODS, recursive_spectral, region_merging
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement.config import resolve_refinement

__all__ = ["Plan", "main", "sections"]

_FORWARD_AIM = 0.5  # of the measured rate, at least
_PHOTOGRAPH = (480, 640)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
      batches: numbers of images at once.
      model: backbone, a Vision Transformer.
      grid: patches along a side of the image that the forwards are timed on.
      dtype: of products.
      side: of the square matrices whose product gives the rate.
      vertices: of the graphs of the dense eigendecompositions.
      configs: of the methods whose cuts are timed, by their names.
      repeats: warm calls of each.
      limit: seconds after which no section is begun.
    """

    batches: tuple[int, ...]
    model: str
    grid: int
    dtype: str
    side: int
    vertices: int
    configs: dict[str, Any]
    repeats: int
    limit: float

    @classmethod
    def full(cls) -> "Plan":
        """ViT-S/14 and both methods by their own parameters, in under four minutes."""
        return cls(
            batches=(1, 8, 64),
            model="dinov2_vits14",
            grid=37,
            dtype=str(backbones.resolve_dtype(backbones.AUTO)),
            side=8192,
            vertices=200,
            configs={
                "region_merging": region_merging.default(),
                "recursive_spectral": recursive_spectral.two_way(),
            },
            repeats=5,
            limit=190.0,
        )

    @classmethod
    def quick(cls) -> "Plan":
        """The same on a model of the tests, to try the script on any machine."""
        request = backbones.PatchRequest(grid=8, blocks=(-1,))
        configs = {
            name: dataclasses.replace(config, request=request)
            for name, config in cls.full().configs.items()
        }
        return dataclasses.replace(
            cls.full(),
            batches=(1, 2),
            model="dinov2_test",
            grid=4,
            side=256,
            vertices=20,
            configs=configs,
            repeats=1,
        )

    @property
    def spec(self) -> ViTSpec:
        """The architecture of the backbone."""
        spec = backbones.get_variant(self.model).spec
        assert isinstance(spec, ViTSpec)
        return spec


def sections(plan: Plan) -> Iterator[tuple[str, Callable[[], Record]]]:
    """The names of the sections and what measures them, small batches first."""
    rate = functools.cache(lambda: _matrix_rate(plan))
    yield "rate", lambda: _rate(plan, rate())
    for batch in plan.batches:
        yield (
            f"forward, batch {batch}",
            lambda batch=batch: _forward(plan, batch, rate()),
        )
        yield f"cut, batch {batch}", lambda batch=batch: _cut(plan, batch)
    yield "stages", lambda: _stages(plan)


def _matrix_rate(plan: Plan) -> float:
    """Operations a second of a large product in the plan's dtype."""
    shape = (plan.side, plan.side)
    one = jax.random.normal(jax.random.key(0), shape).astype(plan.dtype)
    multiply = jax.jit(lambda x: jnp.matmul(x, x, preferred_element_type=jnp.float32))
    found = measure({"product": lambda: multiply(one)}, repeats=max(plan.repeats, 5))
    return 2 * plan.side**3 / min(found["product"].seconds)


def _rate(plan: Plan, rate: float) -> Record:
    shown = f"TFLOP/s, {plan.dtype}, {plan.side} x {plan.side}"
    return Record(facts={shown: rate / 1e12})


def _forward(plan: Plan, batch: int, rate: float) -> Record:
    """A batch of images through the backbone, beside torch's on the device.

    Rates count the images of the batch, not the copies that fill up a group.
    """
    side = plan.grid * plan.spec.patch
    ours = f"ours, {plan.dtype}"
    calls: Calls = {ours: our_forward(plan.model, side, dtype=plan.dtype, batch=batch)}
    device, notes = _torch_device()
    theirs = f"torch on {device}, {plan.dtype}"
    if device:
        calls[theirs] = torch_vit.torch_forward(
            plan.spec, side, dtype=plan.dtype, batch=batch, device=device
        )
    timings = measure(calls, repeats=plan.repeats)
    operations = batch * forward_cost(plan.spec, plan.grid).operations
    figures = [Figure.ratio(timings, ours, theirs, 1.0)] if device else []
    return Record(
        timings=timings,
        figures=tuple(figures),
        facts={
            "images_per_s": batch / timings[ours].median,
            "TFLOP/s": operations / timings[ours].median / 1e12,
            "share of the matrix rate": operations / timings[ours].median / rate,
            "share that is aimed at": _FORWARD_AIM,
            **_memory(),
        },
        notes=notes,
    )


def _cut(plan: Plan, batch: int) -> Record:
    """Cuts of a batch by one program, beside batched dense eigendecompositions."""
    calls: Calls = {}
    for name in plan.configs:
        segmenter = _segmenter(plan, name)
        pixels = [photographs.photograph(i, _PHOTOGRAPH) for i in range(batch)]
        features = segmenter.features(pixels)
        prepared = [segmenter.prepare(x, features.shape[1:3]) for x in pixels]
        calls[f"cut: {name}"] = functools.partial(segmenter.trees, features, prepared)
    eighs, notes = _decompositions(plan, batch)
    timings = measure(calls | eighs, repeats=plan.repeats)
    figures = [Figure.ratio(timings, x, y) for x in calls for y in eighs]
    facts = {f"{x}, images_per_s": batch / timings[x].median for x in calls}
    return Record(
        timings=timings, figures=tuple(figures), facts=facts | _memory(), notes=notes
    )


def _decompositions(plan: Plan, batch: int) -> tuple[Calls, tuple[str, ...]]:
    """Dense eigendecompositions of as many graphs as the batch has images."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((batch, plan.vertices, 16)).astype(np.float32)
    weights = np.abs(rows @ rows.transpose(0, 2, 1))
    scales = 1 / np.sqrt(weights.sum(axis=2))
    matrices = scales[:, :, None] * weights * scales[:, None, :]
    shape = f"[{batch}, {plan.vertices}, {plan.vertices}]"
    on_device, eigh = jnp.asarray(matrices), jax.jit(jnp.linalg.eigh)
    calls: Calls = {f"jnp.linalg.eigh {shape}": lambda: eigh(on_device)}
    device, notes = _torch_device()
    if device:
        torch = importlib.import_module("torch")
        theirs = torch.from_numpy(matrices).to(device)

        def decompose() -> None:
            torch.linalg.eigh(theirs)
            if device != "cpu":
                torch.cuda.synchronize()

        calls[f"torch.linalg.eigh on {device} {shape}"] = decompose
    return calls, notes


def _stages(plan: Plan) -> Record:
    """The stages of one image apart, of both methods; some are the host's.

    Those of the device take as long as a whole group of images (`batches`).
    """
    timings: dict[str, Timing] = {}
    facts: dict[str, Any] = {}
    for name in plan.configs:
        segmenter = _segmenter(plan, name)
        pixels = photographs.photograph(0, _PHOTOGRAPH)
        with watch.Programs() as programs:
            found = measure(_stage_calls(segmenter, pixels), repeats=plan.repeats)
        timings |= {f"{name}: {stage}": x for stage, x in found.items()}
        facts[f"{name}: programs"] = programs.count
    return Record(timings=timings, facts=facts | _memory())


def _stage_calls(segmenter: Segmenter, pixels: np.ndarray) -> Calls:
    features = segmenter.features([pixels])
    prepared = segmenter.prepare(pixels, features.shape[1:3])
    grid = jax.device_get(segmenter.trees(features, [prepared]))[0]
    return {
        "prepare": lambda: segmenter.prepare(pixels, features.shape[1:3]),
        "forward": lambda: segmenter.features([pixels]),
        "cut": lambda: segmenter.trees(features, [prepared]),
        "refine": lambda: segmenter.refine(grid, features[0], pixels, prepared),
        "pixels to regions": lambda: segmenter([pixels])[0].tree.labels,
    }


def _segmenter(plan: Plan, name: str) -> Segmenter:
    method = METHODS.find(name)
    return Segmenter(
        random_backbone(plan.model, plan.dtype),
        method,
        plan.configs[name],
        resolve_refinement(method.refiner),
    )


def _torch_device() -> tuple[str, tuple[str, ...]]:
    """Where torch computes; empty, with sentences why, where it cannot beside us."""
    if sentences := tuple(anchors.missing(*torch_vit.NEEDED)):
        return "", sentences
    if jax.default_backend() == "cpu":
        return "cpu", ()
    if importlib.import_module("torch").cuda.is_available():
        return "cuda", ()
    return "", ("This torch knows no CUDA device, so there is no anchor.",)


def _memory() -> dict[str, float]:
    """Largest memory so far, of the device where it tells and of this process."""
    found = {"peak_gb": watch.peak_memory()}
    stats = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        found["device_peak_gb"] = stats["peak_bytes_in_use"] / 1e9
    return found


def main(argv: Sequence[str]) -> int:
    """Measures section by section.

    Args:
      argv: the command line, with the name of the program first.

    Returns:
      Exit status: 0, or 1 if a section failed; the others are written all the same.
    """
    values = flags.FlagValues()
    defined: Any = {"flag_values": values}
    flags.DEFINE_string("json", "accelerator.json", "where to write", **defined)
    flags.DEFINE_bool("quick", False, "tiny sizes, to try the script", **defined)
    flags.DEFINE_list("batches", None, "numbers of images at once", **defined)
    flags.DEFINE_float("limit_s", None, "no section begins later", 0, **defined)
    values(list(argv))
    plan = Plan.quick() if values.quick else Plan.full()
    if values.batches:
        plan = dataclasses.replace(plan, batches=tuple(map(int, values.batches)))
    if values.limit_s is not None:
        plan = dataclasses.replace(plan, limit=values.limit_s)
    with own_settings():
        return _measure(plan, Path(values.json))


def _measure(plan: Plan, path: Path) -> int:
    start, failed = time.monotonic(), False
    described = dataclasses.asdict(plan) | {"configs": sorted(plan.configs)}
    report: dict[str, Any] = {
        **{"machine": machine(), "plan": described},
        **{"sections": {}, "seconds": {}, "left_out": {}},
    }
    for name, measure_fn in sections(plan):
        began = time.monotonic()
        if began - start > plan.limit:
            report["left_out"][name] = "the time was up"
        else:
            try:
                record = measure_fn()
            except Exception as error:  # the others may still be measured
                failed = True
                report["left_out"][name] = f"{type(error).__name__}: {error}"[:1000]
            else:
                report["sections"][name] = record.to_dict()
                print(table(name, record), flush=True)
            report["seconds"][name] = round(time.monotonic() - began, 2)
        write_json(path, report)
    for name, reason in report["left_out"].items():
        print(f"{name} was left out: {reason}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
