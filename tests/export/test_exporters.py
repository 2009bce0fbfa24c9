"""Every format keeps the promises of the protocol, with and without categories."""

import dataclasses
import os

import numpy as np
import pytest
from export_results import result_of
from PIL import Image
from png_chunks import chunk
from trees import make_tree, on_device, quadrants, random_tree

from uhseg_jax import export
from uhseg_jax.export import EXPORTERS, ExportOptions, Provenance
from uhseg_jax.export.png_files import is_own, note_of, save_png

TREES, CATEGORIES = ExportOptions(levels=(2, 3)), ExportOptions(num_categories=3)
EVERYTHING = tuple(EXPORTERS)
UCM = ("png", "npz", "mat")  # endings of the files of a contour map
MADE_OF = Provenance(settings="0" * 64, source="1" * 64)


def result(options=TREES, tree=None, name="sub/a"):
    tree = quadrants() if tree is None else tree
    described = np.arange(2.0 * int(tree.num_nodes), dtype=np.float32).reshape(-1, 2)
    if options.num_categories is None:
        return result_of(tree, "a.jpg", name=name, descriptors=described)
    categories = np.array([0, 0, 0, 1, 3, 0, 1], np.int32)
    distances = np.linspace(0, 1, 7, dtype=np.float32)
    more = {"categories": categories, "distances": distances, "descriptors": described}
    return result_of(tree, "a.jpg", name=name, **more)


def write(folder, *results, formats=EVERYTHING, options=TREES, keep=False):
    with export.open_formats(formats, export.Folder(folder), options) as writer:
        for one in results:
            writer.add(one, keep=keep)
    return {str(x.relative_to(folder)) for x in folder.rglob("*") if x.is_file()}


def files_of(folder, name):
    """Those of a format for "sub/a" that are there, all that a pattern fits."""
    for file in EXPORTERS[name].files(["sub/a"]):
        found = list(folder.glob(str(file)))
        assert found
        yield from found


def times(folder):
    """When every file in a folder was written, by its path below it."""
    files = (x for x in folder.rglob("*") if x.is_file())
    return {str(x.relative_to(folder)): x.stat().st_mtime_ns for x in files}


def backdate(folder):
    for name in times(folder):
        os.utime(folder / name, ns=(10, 10))


@pytest.mark.parametrize("options", [TREES, CATEGORIES], ids=["trees", "categories"])
@pytest.mark.parametrize("name", EVERYTHING)
def test_a_format_writes_its_files_and_no_others(tmp_path, name, options):
    found = write(tmp_path, result(options), formats=[name], options=options)
    assert found == {str(x.relative_to(tmp_path)) for x in files_of(tmp_path, name)}
    files = list(EXPORTERS[name].files(["sub/a"]))
    assert list(export.result_files([name], ["sub/a"])) == files
    assert EXPORTERS[name].per_image == any("sub/a" in x for x in found)


@pytest.mark.parametrize("name", EVERYTHING)
def test_trees_of_jax_arrays_are_written_alike(tmp_path, name):
    tree = random_tree(4, padding=2)
    for folder, one in (("host", tree), ("device", on_device(tree))):
        write(tmp_path / folder, result(tree=one), formats=[name])
    for file in files_of(tmp_path / "host", name):
        other = tmp_path / "device" / file.relative_to(tmp_path / "host")
        assert file.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("options", [TREES, CATEGORIES], ids=["trees", "categories"])
def test_what_was_rendered_apart_is_written_alike(tmp_path, options):
    results = [result(options, name=x) for x in ("a", "sub/b")]
    found = write(tmp_path / "here", *results, options=options)
    there = export.Folder(tmp_path / "there")
    with export.open_formats(EVERYTHING, there, options) as writer:
        rendered = [writer.render(x) for x in results]
        assert [tuple(x.contents) for x in rendered] == [EVERYTHING] * 2
        for one in rendered:
            writer.put(one)
    for name in found:
        here, there = ((tmp_path / x / name).read_bytes() for x in ("here", "there"))
        assert here == there


@pytest.mark.parametrize("options", [TREES, CATEGORIES], ids=["trees", "categories"])
@pytest.mark.parametrize("name", ["coco", "polygons", "html"])
def test_nothing_is_left_of_a_run_that_fails(tmp_path, name, options):
    (file,) = EXPORTERS[name].files([])
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("before")

    def fail():
        with export.open_formats([name], export.Folder(tmp_path), options) as writer:
            writer.add(result(options))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [x.relative_to(tmp_path) for x in tmp_path.rglob("*.*")] == [file]
    assert (tmp_path / file).read_text() == "before"


def test_the_npz_comes_after_the_other_files_of_its_image(tmp_path):
    count = 2**16 + 1
    flat = make_tree([[1]], [-1] + [0] * (count - 1), [0] * count, [0] * count)
    with pytest.raises(ValueError, match="65536 nodes"):
        write(tmp_path, result(tree=flat), formats=["npz", "nodes"])
    assert list(tmp_path.rglob("*.npz")) == []


def test_files_of_the_same_options_and_the_same_source_stay(tmp_path):
    def kept(one, options=TREES):
        backdate(tmp_path)
        write(tmp_path, one, options=options, keep=True)
        return {name for name, time in times(tmp_path).items() if time == 10}

    first = dataclasses.replace(result(), provenance=MADE_OF)
    write(tmp_path, first)
    by_region = [path for x in ("masks", "cutouts") for path in files_of(tmp_path, x)]
    maps = {str(path.relative_to(tmp_path)) for path in by_region}
    maps |= {f"sub/a.{x}.png" for x in ("labels", "colors", "nodes")}
    maps |= {f"sub/a.ucm.{x}" for x in UCM} | {"Annotations/sub/a.png"}
    maps.add("sub/a.descriptors.npz")
    assert kept(first) == {"sub/a.npz", "sub/a.png", *maps}
    assert kept(first, ExportOptions(levels=(5,))) == {"sub/a.npz", *maps}
    note = f"levels 5 of {MADE_OF.short()}"
    assert note_of(tmp_path / "sub/a.png") == note  # drawn again
    other = dataclasses.replace(MADE_OF, source="2" * 64)
    assert kept(dataclasses.replace(first, provenance=other)) == {"sub/a.npz"}
    for name in ("sub/a.png", *maps):  # damaged behind the mark, and cut off
        path = tmp_path / name
        content = path.read_bytes()
        for bad in (content[:-20] + b"?" + content[-19:], content[:-30]):
            path.write_bytes(bad)
            assert any(x.is_own(path) for x in EXPORTERS.values())
            kept(dataclasses.replace(first, provenance=other))
            assert path.read_bytes() == content
    backdate(tmp_path)
    write(tmp_path, first)
    assert all(time > 10 for time in times(tmp_path).values())


def test_drawings_are_what_a_run_drew_of_one_image_and_not_its_tree(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.ucm.mat").write_text("a user's")
    assert list(export.drawings(tmp_path, "sub/a")) == []
    write(tmp_path, result(), result(name="sub/b"))
    found = {x.name for x in export.drawings(tmp_path, "sub/a")}
    maps = {"a.labels.png", "a.colors.png", "a.nodes.png"}
    maps.add("a.descriptors.npz")
    assert found == {"a.png", *maps, *(f"a.ucm.{x}" for x in UCM)}


@pytest.mark.parametrize("options", [TREES, CATEGORIES], ids=["trees", "categories"])
def test_a_result_is_read_back_from_its_npz(tmp_path, options):
    wanted = result(options, random_tree(3, num_splits=2, padding=2))
    if wanted.categories is not None:
        wanted = result(options)
    wanted = dataclasses.replace(wanted, provenance=MADE_OF)
    write(tmp_path, wanted, formats=["npz"], options=options)

    def read(name="sub/a", pixels=wanted.pixels, **change):
        made_of = dataclasses.replace(MADE_OF, **change)
        return export.read_result(
            tmp_path, name, title="a.jpg", pixels=pixels, provenance=made_of
        )

    found = read()
    assert found.provenance == MADE_OF
    np.testing.assert_array_equal(found.tree.labels, wanted.tree.labels)
    assert len(found.tree.parents) == int(wanted.tree.num_nodes)
    for field in ("categories", "distances"):
        ours, theirs = getattr(found, field), getattr(wanted, field)
        assert (ours is None) == (theirs is None)
        np.testing.assert_array_equal(ours, theirs)
    assert read("sub/b") is None
    assert read(pixels=np.zeros((9, 9, 3), np.uint8)) is None
    assert read(settings="2" * 64) is None
    assert read(source="2" * 64) is None
    path = tmp_path / "sub/a.npz"
    content = path.read_bytes()
    for position in range(50, len(content), 11):
        bad = bytes([content[position] ^ 255])
        path.write_bytes(content[:position] + bad + content[position + 1 :])
        again = read()
        assert again is None or (again.tree.labels == wanted.tree.labels).all()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (name, str(file))
        for name, exporter in EXPORTERS.items()
        if exporter.per_image and (exporter.in_runs or exporter.has_mark)
        for file in exporter.files(["sub/a"])
    ],
)
def test_a_format_knows_its_own_files_and_no_others(tmp_path, name, file):
    exporter = EXPORTERS[name]
    write(tmp_path, dataclasses.replace(result(), provenance=MADE_OF), formats=[name])
    path = next(tmp_path.glob(file))
    assert exporter.is_own(path)
    content = path.read_bytes()
    path.write_bytes(content[:-20])  # as a bad disk may leave it
    assert exporter.is_own(path)
    for theirs in (b"", b"mine", b'{"info": {}}', b"PK\3\4 not a tree"):
        path.write_bytes(theirs)
        assert not exporter.is_own(path)
    with open(path, "wb") as file:
        np.savez(file, settings=np.arange(3), parents=np.arange(3))
    assert not exporter.is_own(path)
    path.unlink()
    assert not exporter.is_own(path)
    path.mkdir()
    assert not exporter.is_own(path)
    path.rmdir()
    os.mkfifo(path)  # opening it would wait for ever
    assert not exporter.is_own(path)
    assert not is_own(path)


def test_overlays_and_label_maps_are_known_again_and_images_are_not(tmp_path):
    write(tmp_path, result(), formats=["png", "labels", "colors", "nodes", "ucm"])
    drawn = [tmp_path / x for x in export.image_files("sub/a")]
    notes = ["levels 2,3", "labels as grey values, flat, root"]
    notes += ["labels in colours, flat, root", "nodes as grey values"]
    notes += ["contours of strength 1 - cost"]
    assert [note_of(x) for x in drawn] == notes
    pixels = np.zeros((4, 4, 3), np.uint8)
    save_png(tmp_path / "new" / "plain.png", pixels)
    with Image.open(tmp_path / "new" / "plain.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
    (tmp_path / "text.png").write_text("Software\0uhseg_jax")
    os.symlink(drawn[0], tmp_path / "drawn.jpg")
    for name in ("new/plain.png", "text.png", "drawn.jpg", "absent.png"):
        assert not is_own(tmp_path / name)


def test_marks_behind_the_header_are_known_again(tmp_path):
    """Older versions put the chunk there themselves."""
    path = tmp_path / "a.png"
    Image.new("RGB", (3, 3)).save(path)
    mark = chunk(b"tEXt", b"Software\0uhseg_jax levels 4,8")
    content = path.read_bytes()
    path.write_bytes(content[:33] + mark + content[33:])
    assert note_of(path) == "levels 4,8"


def test_a_tree_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"a\.jpg: .*\(9, 12\).*\(8, 12\)"):
        export.Result("a", "a.jpg", np.zeros((9, 12, 3), np.uint8), quadrants())


def test_unknown_formats_are_refused_and_known_ones_explained(tmp_path):
    with pytest.raises(ValueError, match=r"unknown format 'pngs'.*Did you mean 'png'"):
        write(tmp_path, formats=["pngs"])
    in_runs, later = export.formats_help(), export.formats_help(in_runs=False)
    for one in EXPORTERS.values():
        assert (f"{one.name} ({one.summary})" in in_runs) == one.in_runs
        assert (f"{one.name} ({one.summary})" in later) == (one.name != "npz")
