"""Whether an sdist and a wheel hold the files that they should.

python contents.py FILE_OF_TRACKED_NAMES SDIST WHEEL
"""

import sys
import tarfile
import zipfile
from pathlib import Path

ONLY_GIT = {".gitignore"}


def in_sdist(path: str) -> set[str]:
    """The files of an sdist, without the name of its folder."""
    with tarfile.open(path) as archive:
        return {x.name.partition("/")[2] for x in archive if x.isfile()}


def in_wheel(path: str) -> set[str]:
    """The files of the package in a wheel."""
    with zipfile.ZipFile(path) as archive:
        return {x for x in archive.namelist() if ".dist-info/" not in x}


def main(tracked: str, *built: str) -> int:
    """Says what is missing, and what is too much."""
    (sdist,) = (x for x in built if x.endswith(".tar.gz"))
    (wheel,) = (x for x in built if x.endswith(".whl"))
    files = {*Path(tracked).read_text().splitlines()}
    package = {x for x in files if x.startswith("uhseg_jax/")}
    package |= {f"uhseg_jax/{x}" for x in files if x.startswith("configs/")}
    problems = {
        "the sdist lacks": files - ONLY_GIT - in_sdist(sdist),
        "the wheel lacks": package - in_wheel(wheel),
        "the wheel has what git does not": in_wheel(wheel) - package,
    }
    for said, names in problems.items():
        for name in sorted(names):
            print(f"{said} {name}", file=sys.stderr)
    return int(any(problems.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
