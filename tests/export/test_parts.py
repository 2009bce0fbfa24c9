"""Files of runs of many images come in parts, of which none lies about."""

import collections
import contextlib
import io
import json
import re

import pytest
from export_results import result_of
from trees import random_tree

from uhseg_jax.export import (
    EXPORTERS,
    ExportOptions,
    Folder,
    open_formats,
    parts,
)
from uhseg_jax.export.viewer import page
from uhseg_jax.runs.claims import claim
from uhseg_jax.runs.record import RunError

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

FORMATS = ("coco", "proposals", "html")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Three images where a run has five hundred, two in a part of the page."""
    monkeypatch.setattr(parts, "MOST_IN_ONE_FILE", 3)
    monkeypatch.setattr(page, "MOST_IN_ONE_FILE", 3)
    sizes = dict.fromkeys(("images", "thumbnails", "similar"), 2)
    monkeypatch.setattr(page, "_IN_A_PART", sizes)


def results(count):
    return [
        result_of(random_tree(i, num_splits=3), f"folder/{i}.jpg", name=str(i), gray=9)
        for i in range(count)
    ]


def write(destination, count, formats=FORMATS):
    with open_formats(formats, destination, ExportOptions()) as writer:
        for result in results(count):
            writer.add(result)


def files(folder):
    return {
        x.relative_to(folder).as_posix(): x.read_text()
        for x in folder.rglob("*")
        if x.is_file() and not x.name.startswith(".") and x.name != "run.json"
    }


def load(path):
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_up_to_so_many_images_are_in_one_file(tmp_path):
    write(Folder(tmp_path), 3)
    assert set(files(tmp_path)) == {"coco.json", "proposals.json", "index.html"}


def test_every_part_is_a_whole_coco_file_and_ids_go_on(tmp_path, monkeypatch):
    write(Folder(tmp_path / "parts"), 7, ("coco", "proposals"))
    names = [f"{kind}/{i:04d}.json" for kind in FORMATS[:2] for i in (1, 2, 3)]
    assert set(files(tmp_path / "parts")) == set(names)
    joined = collections.defaultdict(list)
    for name in names[:3]:
        document = json.loads((tmp_path / "parts" / name).read_text())
        load(tmp_path / "parts" / name).loadRes(
            str(tmp_path / "parts" / name.replace("coco", "proposals"))
        )
        ids = {x["id"] for x in document["images"]}
        assert {x["image_id"] for x in document["annotations"]} == ids
        for kind in ("images", "annotations"):
            joined[kind] += document[kind]
    monkeypatch.undo()
    write(Folder(tmp_path / "whole"), 7, ("coco",))
    whole = json.loads((tmp_path / "whole/coco.json").read_text())
    assert whole["categories"] == document["categories"]
    assert joined == {kind: whole[kind] for kind in joined}


def parts_in(folder):
    """What the parts of a page hold, by kind."""
    found = collections.defaultdict(list)
    for name, text in sorted(files(folder).items()):
        if name.endswith(".js"):
            call = re.fullmatch(
                r'receivePart\("(\w+)", (\d+), "(\w+)", (.*)\);\n', text
            )
            kind, number, digest, content = call.groups()
            assert name == f"index/{page._PREFIXES[kind]}{int(number):04d}.js"
            found[kind].append((digest, json.loads(content)))
    return found


def test_the_parts_of_a_page_hold_what_one_page_would(tmp_path):
    write(Folder(tmp_path), 5, ("html",))
    text = (tmp_path / "index.html").read_text()
    (listing,) = re.findall(r'id="parts">(.*)</script>', text)
    listing = json.loads(listing)
    assert [x[0] for x in listing["images"]] == [f"folder/{i}.jpg" for i in range(5)]
    found = parts_in(tmp_path)
    entries = [page_entry for _, part in found["images"] for page_entry in part]
    wanted = [EXPORTERS["html"].render(x, ExportOptions()) for x in results(5)]
    assert entries == [x.text for x in wanted]
    assert [len(part) for _, part in found["thumbnails"]] == [2, 2, 1]
    for kind, given in found.items():
        assert listing["digests"][kind] == [digest for digest, _ in given]
    assert "script-src 'unsafe-inline' 'self' file:" in text
    write(Folder(tmp_path / "whole"), 2, ("html",))
    assert (
        "file:" not in (tmp_path / "whole/index.html").read_text().split("<style>")[0]
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def claimed(out):
    settings = {"kind": "segment", "weights_sha256": "0"}
    with claim(out, settings) as claimed:
        yield claimed


@pytest.mark.parametrize("formats", [("coco", "proposals"), ("html",)])
def test_parts_of_larger_runs_before_go(claimed, out, tmp_path, formats):
    for count in (9, 5, 3, 7, 2):
        write(claimed, count, formats)
        write(Folder(tmp_path / str(count)), count, formats)
        assert files(out) == files(tmp_path / str(count))
    assert not [x for x in out.iterdir() if x.is_dir()]


def test_a_run_that_is_stopped_leaves_no_parts(claimed, out):
    write(claimed, 4)
    before = set(out.rglob("*")), files(out)
    with (
        contextlib.suppress(KeyboardInterrupt),
        open_formats(FORMATS, claimed, ExportOptions()) as writer,
    ):
        for result in results(6):
            writer.add(result)
        raise KeyboardInterrupt
    assert (set(out.rglob("*")), files(out)) == before


def test_files_of_people_are_never_replaced_nor_removed(claimed, out):
    own = out / "coco/0007.json"
    own.parent.mkdir()
    own.write_text("mine")
    write(claimed, 4, ("coco",))
    assert own.read_text() == "mine"
    (out / "coco/0001.json").write_text("changed")
    with pytest.raises(RunError, match=r"coco/0001.json: the file is there"):
        write(claimed, 4, ("coco",))
    assert own.read_text() == "mine"
    assert (out / "coco/0001.json").read_text() == "changed"
