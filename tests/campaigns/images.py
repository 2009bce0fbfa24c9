"""Hundreds of hostile image files in one run of `uhseg-segment`.

Usage: python -m tests.campaigns.images [--seed=1] [--minutes=10] [--files=850]

Every file must have a result or be named in a sentence; no process may be started, and
memory is bounded. Then the same command again, which must do nothing anew.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from tests.campaigns import jobs
from tests.campaigns.children import Place, import_early, run, strays
from tests.campaigns.image_files import (
    PASSED,
    RESULT,
    SENTENCE,
    UNREAD,
    Made,
    files_below,
    make_files,
)
from tests.campaigns.report import Report, arguments, finish
from tests.campaigns.sandbox import Sandbox, damage, opened
from tests.small_runs import PRESET
from uhseg_jax.cli import segment

# Bytes, with JAX and its programs, while two images of 160 megapixels are in flight.
_MEMORY = 5_000_000_000
_FLAGS = (*(x for x in PRESET if "refine" not in x), "--refine=none")  # few programs


def main() -> None:
    """Runs the campaign."""
    given = arguments(__doc__, minutes=10, files=850)
    report = Report("images", given.minutes, given.seed)
    import_early()
    with opened(given.work) as sandbox:
        made = make_files(sandbox.user / "hostile", given.files, given.seed)
        output = sandbox.output("images")
        place = _bound(sandbox, given.compiled)
        before = sandbox.digest()
        argv = ["uhseg-segment", "hostile", f"--output={output}", *_FLAGS]
        limit = 60 * given.minutes
        ending = report.saw(run(segment.main, argv, place, seconds=limit))
        sentences, written = _sentences(ending.said), list(files_below(output))
        for one in made:
            name = one.path.name.encode("utf-8", "backslashreplace").decode()
            report.add(ascii(name)[:60], _faults(one, sentences, written))
        faults = [*damage(output), *strays(), *sandbox.leftovers()]
        faults += [ending.fault] * bool(ending.fault)
        faults += [f"started {x}" for x in ending.events]
        if ending.peak > _MEMORY:
            faults.append(f"took {ending.peak / 1e9:.1f} GB")
        if not any("locked" in x for x in sentences):
            faults.append("the folder that may not be listed is not named")
        if sandbox.digest() != before:
            faults.append("files of the user were changed")
        report.add("the run", faults)
        again = report.saw(run(segment.main, argv, place, seconds=limit))
        counts = re.findall(r"(\d+) segmented", again.said)
        anew = [f"{counts} were segmented anew"] * (counts != ["0"])
        report.add("the same again", [again.fault] * bool(again.fault) + anew)
        summary = re.findall(r"\d+ segmented.*failed", ending.said)
        report.notes += summary or [f"it ended with: {ending.sentence}"]
    finish(report.end())


def _bound(sandbox: Sandbox, compiled: Path | None) -> Place:
    """The place of a run whose permissions count, and a folder that it may not list."""
    locked = sandbox.user / "hostile" / "locked"
    locked.mkdir()
    (locked / "image.png").touch()
    locked.chmod(0)
    place = jobs.environment(sandbox, compiled)
    return dataclasses.replace(place, is_bound=True, memory=2 * _MEMORY)


def _sentences(said: str) -> list[str]:
    """The lines that a run said, without its progress bar."""
    return [x for x in re.split(r"[\n\r]", said) if not re.search(r"\[\d+:\d\d", x)]


def _faults(one: Made, sentences: Sequence[str], written: Sequence[str]) -> list[str]:
    """What is wrong with what a run made of a file."""
    has_result = any(x.startswith(one.token) and x.endswith(".npz") for x in written)
    is_named = any(one.token in x for x in sentences)
    if one.due == PASSED:  # those of a kind may be told together
        kind = one.path.suffix if one.path.suffix in UNREAD else one.stands_for
        is_named = is_named or any(kind in x.lower() for x in sentences)
    if has_result and one.due in (SENTENCE, PASSED):
        return ["it has a result"]
    if not has_result and one.due == RESULT:
        said = next((x for x in sentences if one.token in x), "nothing was said")
        return [f"it has no result; {said[-200:]}"]
    if not has_result and not is_named:
        return ["it has neither a result nor a sentence"]
    return []


if __name__ == "__main__":
    main()
