"""Images of any size at the command line: outputs, going on, and what is refused."""

import dataclasses
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from segment_command import content, files, times
from small_runs import photograph

from uhseg_jax import parts
from uhseg_jax.cli.segment import main
from uhseg_jax.rasters import RasterTree
from uhseg_jax.runs import raster_claims, segment_rasters
from uhseg_jax.runs.images import find_run_images

FLAGS = (
    *("--method=recursive_spectral", "--preset=small", "--model=dinov2_test"),
    *("--tile=64", "--overlap=20", "--levels=2,3", "--dtype=float32"),
)


def segment(*arguments, output):
    return main(["uhseg-segment", f"--output={output}", *FLAGS, *map(str, arguments)])


def contents(folder):
    found = (x for x in folder.rglob("*.*") if x.is_file())
    return {x.relative_to(folder): content(x) for x in found}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A raster of three by two tiles and what was found in it; not to be changed."""
    folder = tmp_path_factory.mktemp("rasters")
    photograph(folder / "scan.png", size=(150, 100))
    assert segment(folder / "scan.png", output=folder / "out") == 0
    return folder


@pytest.fixture
def done(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "done")


def test_a_raster_has_a_tree_labels_and_drawings(finished):
    out = finished / "out"
    tree = RasterTree.load(out / "scan.raster")
    assert tree.size == (100, 150)
    for level in (2, 3):
        found = tifffile.imread(out / f"scan.{level}.tif")
        np.testing.assert_array_equal(found, tree.cut(num_regions=level))
        assert 1 < len(np.unique(found)) <= level
    assert {"scan.png", "index.html", "run.json"} <= set(files(out))
    assert not list(out.rglob(".parts*"))


def test_a_second_run_writes_what_is_missing(done, capsys):
    out = done / "out"
    before = times(out, ".tif", ".npz")
    (out / "scan.3.tif").unlink()
    assert segment(done / "scan.png", "--levels=3,4", output=out) == 0
    assert "0 segmented, 1 done before" in capsys.readouterr().out
    after = times(out, ".tif", ".npz")
    changed = {x.name for x in after if before.get(x) != after[x]}
    assert changed == {"scan.3.tif", "scan.4.tif"}


def test_polygons_of_a_finished_tree_need_no_other_run(done, capsys):
    out = done / "out"
    assert segment(done / "scan.png", "--format=geojson", output=out) == 0
    assert "0 segmented, 1 done before" in capsys.readouterr().out
    first = times(out, ".geojson")
    assert [x.name for x in sorted(first)] == ["scan.2.geojson", "scan.3.geojson"]
    assert segment(done / "scan.png", "--format=geojson", output=out) == 0
    assert times(out, ".geojson") == first
    coarse = ("--format=geojson", "--tolerance=9")
    assert segment(done / "scan.png", *coarse, output=out) == 0
    assert all(times(out)[path] > time for path, time in first.items())


def test_where_nothing_is_drawn_no_smaller_copy_is_read(done, monkeypatch, capsys):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(segment_rasters, "_drawn", refuse)
    out = done / "out"
    (out / "scan.3.tif").unlink()
    assert segment(done / "scan.png", "--format=tif", output=out) == 0
    assert "0 segmented, 1 done before" in capsys.readouterr().out
    assert (out / "scan.3.tif").exists()


def test_another_image_of_that_name_is_segmented_anew(done, capsys):
    photograph(done / "scan.png", size=(150, 100), seed=5)
    assert segment(done / "scan.png", output=done / "out") == 0
    assert "1 segmented, 0 done before" in capsys.readouterr().out


def test_other_settings_are_refused_unless_they_replace(done, capsys):
    out = done / "out"
    before = times(out)
    assert segment(done / "scan.png", "--overlap=10", output=out) == 1
    assert "raster.overlap 20 there and 10 now" in capsys.readouterr().err
    assert times(out) == before


def test_after_a_disk_was_full_the_same_command_goes_on(finished, tmp_path, capsys):
    out, allowed = tmp_path / "out", [7]
    write = parts.write_arrays

    def until_full(path, **arrays):
        allowed[0] -= 1
        if allowed[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, **arrays)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "write_arrays", until_full)
        assert segment(finished / "scan.png", output=out) == 1
    sentence = capsys.readouterr().err
    assert "No space left on device. Free some space" in sentence
    assert "what is finished stays, and the same command goes on" in sentence
    kept = list(out.rglob(".parts*/*.npz"))
    before = {x: x.stat().st_mtime_ns for x in kept}
    assert kept
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "write_arrays", _unless_there(write, before))
        assert segment(finished / "scan.png", output=out) == 0
    assert contents(out) == contents(finished / "out")


def _unless_there(write, before):
    """Writes, but nothing that was there."""

    def checked(path, **arrays):
        assert path not in before
        write(path, **arrays)

    return checked


def test_a_tree_whose_labels_are_damaged_is_made_again(done, capsys):
    out = done / "out"
    want = contents(out)
    path = next(out.glob("scan.raster/superpixels/tile_*.npz"))
    path.write_bytes(path.read_bytes()[:100])
    (out / "scan.3.tif").unlink()
    assert segment(done / "scan.png", output=out) == 0
    assert "1 segmented, 0 done before" in capsys.readouterr().out
    assert contents(out) == want


def test_results_are_not_taken_for_rasters(done, capsys):
    assert segment(done, output=done / "out") == 0
    assert "0 segmented, 1 done before" in capsys.readouterr().out
    assert segment(done / "out", output=done / "out") == 1
    assert "found only results" in capsys.readouterr().err


def test_what_the_search_met_is_told(done, monkeypatch, capsys):
    def search(*arguments, **more):
        met = {"problems": ("lost+found: no.",), "notes": ("a.heic: left out.",)}
        return dataclasses.replace(find_run_images(*arguments, **more), **met)

    monkeypatch.setattr(raster_claims, "find_run_images", search)
    assert segment(done / "scan.png", output=done / "out") == 1
    said = capsys.readouterr()
    assert "0 segmented, 1 done before, 0 failed" in said.out
    assert "lost+found: no.\na.heic: left out.\n" in said.err


@pytest.mark.parametrize("flags", [[], ["--overwrite"]])
def test_what_no_run_wrote_stays(flags, tmp_path, capsys):
    image = photograph(tmp_path / "scan.png", size=(150, 100))
    note = tmp_path / "out/scan.raster/note.txt"
    note.parent.mkdir(parents=True)
    note.write_text("mine")
    assert segment(image, *flags, output=tmp_path / "out") == 1
    assert "wrote it; rename it" in capsys.readouterr().err
    assert note.read_text() == "mine"


def test_a_package_that_is_missing_is_named_before_the_work(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    image, out = photograph(tmp_path / "scan.png", size=(150, 100)), tmp_path / "out"
    assert segment(image, "--format=gpkg", output=out) == 1
    assert "pip install 'uhseg_jax[rasters]'" in capsys.readouterr().err
    assert not list(out.rglob("*.npz"))


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--tile=64"], "--tile expects paths, such as scan.tif, but got none"),
        (["a.tif", "--overlap=8"], "--overlap goes with --tile"),
        (["a.tif", "--tolerance=2"], "--tolerance goes with --tile"),
        (["a.tif", "--tile=64", "--overlap=64"], "--overlap expects less than the"),
        (["a.tif", "--tile=9"], "tile"),
        (["a.tif", "--tile=64", "--refine=crf"], "--refine does not go with --tile"),
        (["a.tif", "--tile=64", "--format=tiff"], "Did you mean 'tif'?"),
        (["a.tif", "--tile=64", "--format=coco"], "--format expects some of tif,gpkg"),
        (["a.tif", "--tile=64", "--tolerance=nan"], "--tolerance expects a number"),
        (["a.tif", "--tile=64", "--bands=4,3"], "--bands expects the numbers"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(flags, sentence, capsys):
    assert main(["uhseg-segment", *flags]) == 2
    assert sentence in capsys.readouterr().err


def test_methods_of_patches_are_refused(tmp_path, capsys):
    image = photograph(tmp_path / "scan.png", size=(150, 100))
    line = ["uhseg-segment", str(image), "--tile=64", f"--output={tmp_path / 'out'}"]
    others = ["--method=multilevel_clustering", "--model=dinov2_test"]
    assert main([*line, *others]) == 1
    assert "needs the patches of one image" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_is_taken_up_and_gives_the_same(finished, tmp_path):
    out = tmp_path / "out"
    line = [f"--output={out}", *FLAGS, str(finished / "scan.png")]
    code = (
        "import sys, small_runs, uhseg_jax.cli.segment as c; sys.exit(c.main(sys.argv))"
    )
    tests = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(tests), str(tests.parent)])
    process = subprocess.Popen(
        [sys.executable, "-c", code, *line], env={**os.environ, "PYTHONPATH": paths}
    )
    while process.poll() is None and not list(out.rglob(".parts*/tile_*.npz")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(out.rglob(".parts*/tile_*.npz"))
    assert segment(finished / "scan.png", output=out) == 0
    assert contents(out) == contents(finished / "out")


@pytest.mark.readers
def test_a_scene_keeps_its_place_and_what_has_no_data_is_left_out(tmp_path, capsys):
    rasterio = pytest.importorskip("rasterio")
    pyogrio = pytest.importorskip("pyogrio")
    pytest.importorskip("rasterio.warp")
    rng = np.random.default_rng(0)
    bands = rng.integers(300, 4000, (4, 2, 2)).repeat(50, 1).repeat(75, 2)
    bands += rng.integers(0, 200, bands.shape)
    bands[:, :30, :40] = 0
    profile = {"width": 150, "height": 100, "count": 4, "dtype": "uint16", "nodata": 0}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    for name, values in (("scene", bands), ("empty", np.zeros_like(bands))):
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile, **place) as file:
            file.write(values.astype(np.uint16))
    out = tmp_path / "out"
    paths = (tmp_path / "empty.tif", tmp_path / "scene.tif")
    chosen = ("--bands=4,3,2", "--format=tif,gpkg,geojson,png")
    assert segment(*chosen, *paths, output=out) == 1
    said = capsys.readouterr()
    assert "1 segmented, 0 done before, 1 failed" in said.out
    assert "empty.tif: expected an image, but no pixel" in said.err
    with rasterio.open(out / "scene.3.tif") as file:
        assert file.crs.to_epsg() == 32633
        assert file.transform == place["transform"]
        np.testing.assert_array_equal(file.read(1) < 0, bands[0] == 0)
        assert file.block_shapes == [(512, 512)]
    about = pyogrio.read_info(out / "scene.gpkg", layer="regions_3")
    assert about["crs"] == "EPSG:32633"
    np.testing.assert_allclose(about["total_bounds"], [5e5, 4_999_000, 501_500, 5e6])
    bounds = pyogrio.read_info(out / "scene.3.geojson")["total_bounds"]
    west, south, east, north = bounds
    assert 14.99 < west < east < 15.03
    assert 45.14 < south < north < 45.17
    assert segment(*chosen, paths[0], "--bands=5", output=tmp_path / "other") == 1
    assert "one band or three of its 4" in capsys.readouterr().err


def test_a_slide_without_its_package_leaves_the_others(done, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openslide", None)
    slide = done / "other.svs"
    slide.write_bytes(b"a slide")
    assert segment(slide, done / "scan.png", output=done / "out") == 1
    said = capsys.readouterr()
    assert "0 segmented, 1 done before, 1 failed" in said.out
    assert "pip install 'uhseg_jax[slides]'" in said.err
