"""Evaluations side by side: the command, its tables, and what it refuses."""

import csv
import json
import re

import numpy as np
import pytest
from evaluations import sheet, wrote
from PIL import Image

from uhseg_jax.cli import compare as command
from uhseg_jax.cli import evaluate
from uhseg_jax.comparison import folder as comparison_folder
from uhseg_jax.comparison.groups import group, labels_of
from uhseg_jax.comparison.images import choose, drawn_images, wins
from uhseg_jax.comparison.reading import read_evaluation
from uhseg_jax.comparison.scores import title_of
from uhseg_jax.comparison.verdicts import headlines, verdict_on

FILES = {
    *("index.html", "table.md", "table.tex", "table.csv"),
    *("curves.png", "precision_recall.png"),
}


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    first = rng.uniform(0.2, 0.7, size=12)
    first[3] = np.nan  # does not count
    return first, first + 0.1 + rng.normal(scale=0.02, size=12)


@pytest.fixture
def folders(values, tmp_path):
    return [wrote(tmp_path / x, y) for x, y in zip("ab", values, strict=True)]


def compared(*argv, main=command.main):
    return main(["uhseg-compare", *map(str, argv)])


def test_the_command_writes_tables_plots_and_a_page(folders, values, tmp_path, capsys):
    folders.append(wrote(tmp_path / "c", values[0][4:10], dataset="others"))
    out = tmp_path / "new" / "out"
    argv = [*folders, f"--output={out}"]
    assert compared(*argv) == 0, capsys.readouterr().err
    assert {x.name for x in out.iterdir()} == FILES
    assert [x.name for x in out.parent.iterdir()] == ["out"]
    text = (out / "table.md").read_text()
    assert text in capsys.readouterr().out
    tables = [x.splitlines() for x in text.strip().split("\n\n")]
    assert tables[0][0] == "| shapes, 11 images | a | b |"
    assert tables[1][0] == "| others, 6 images | c |"
    assert tables[0][2] == "| nodes | 7.2 | 7.2 |"
    groups = group([read_evaluation(x) for x in folders])
    one, other = groups[0].members
    mean, above = one.score("full/miou"), other.above(one, "full/miou")
    row = next(x for x in tables[0] if x.startswith("| `full/miou`"))
    assert f"| {mean.value:.3f} ± {mean.error:.3f} |" in row
    assert f"({above.value:+.3f}, {above.low:+.3f} to {above.high:+.3f})" in row
    assert "| `full/nmcovering` | nan ± nan | nan ± nan (+nan, +nan to +nan) |" in text
    for name in ("curves.png", "precision_recall.png"):
        with Image.open(out / name) as image:
            assert image.format == "PNG"
            assert len(np.unique(np.asarray(image.convert("L")))) > 20
    before = {x: x.read_bytes() for x in out.iterdir()}
    assert compared(*argv) == 1
    assert "table.md: the file is there" in capsys.readouterr().err
    (out / "mine.txt").write_text("mine")
    assert compared(*argv, "--overwrite") == 0
    assert {x: x.read_bytes() for x in out.iterdir() if x.name in FILES} == before
    argv += ["--overwrite", "--labels=x,y,z", "--scores=full/covering_at_2"]
    assert evaluate.main(["uhseg-evaluate", "--compare", *map(str, argv)]) == 0
    assert "| shapes, 11 images | x | y |" in (out / "table.md").read_text()
    assert "miou" not in (out / "table.md").read_text()
    assert (out / "mine.txt").read_text() == "mine"


def test_differences_are_paired_and_more_than_chance(folders, values):
    (found,) = group([read_evaluation(x) for x in folders])
    first, other = found.members
    counted = [x[~np.isnan(x)] for x in values]
    difference = counted[1] - counted[0]
    above = other.above(first, "full/miou")
    exact = difference.std() / np.sqrt(difference.size)
    assert above.value == pytest.approx(difference.mean(), abs=1e-9)
    assert above.error == pytest.approx(exact, rel=0.1)
    assert above.low == pytest.approx(above.value - 1.96 * exact, abs=0.5 * exact)
    assert above.is_clear
    assert not other.above(other, "full/miou").is_clear
    assert np.isnan(first.score("full/other").error)
    verdict = verdict_on(found, 0, headlines(found))
    assert verdict.words == "better than"
    assert [x.key for x in verdict.findings] == ["full/miou"]
    assert verdict.wins.better + verdict.wins.worse == 11
    assert wins(np.array([1, 2, np.nan, 3]), np.array([2.0, 1, 1, 3])).equal == 1


def test_the_csv_has_every_score_of_every_evaluation(folders, tmp_path):
    assert compared(*folders, f"--output={tmp_path / 'out'}") == 0
    with open(tmp_path / "out" / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = json.loads((folders[0] / "metrics.json").read_text())
    assert len(rows) == 2 * len(scores)
    (group_,) = group([read_evaluation(x) for x in folders])
    row = next(x for x in rows if (x["run"], x["score"]) == ("b", "full/miou"))
    above = group_.others[0].above(group_.first, "full/miou")
    assert float(row["difference"]) == above.value
    assert float(row["difference_low"]) == above.low
    assert (row["dataset"], row["images"], row["reference"]) == ("shapes", "11", "a")
    assert {x["value"] for x in rows if x["score"] == "full/nmcovering"} == {""}
    assert all(x["reference"] == "" for x in rows if x["run"] == "a")


def test_names_may_hold_anything(values, tmp_path):
    names = ['<script>alert("1")</script> & $x_1$ 100% #|\n', "caf\udce9"]
    names += [f"{x}" for x in range(10)]
    labels = ["<b>~a_b^2</b>--x\\", "100 % $|caf\udce9\x1b[31m"]
    folders = [
        wrote(tmp_path / str(i), x, names=names, drawn=range(12))
        for i, x in enumerate(values)
    ]
    groups = group([read_evaluation(x) for x in folders], labels)
    found = comparison_folder.rendered(groups)
    page = found["index.html"].decode()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;~a_b^2&lt;/b&gt;--x\\" in page
    assert r"caf\udce9\x1b[31m" in page
    tex = found["table.tex"].decode()
    assert (
        r"\textless{}b\textgreater{}\textasciitilde{}a\_b\textasciicircum{}2"
        r"\textless{}/b\textgreater{}{-}{-}x\textbackslash{} & "
        r"100 \% \$\textbar{}caf\textbackslash{}udce9\textbackslash{}x1b[31m \\"
    ) in tex
    rows = [x for x in tex.splitlines() if x.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", x)) for x in rows} == {2}
    assert r"\begin{tabular}{lrr}" in tex
    head = found["table.md"].decode().splitlines()[0]
    assert len(re.findall(r"(?<!\\)\|", head)) == 4
    assert r"\<b\>\~a\_b^2\</b\>--x\\" in head


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": [f"image {i}" for i in range(11)] + ["x\x1by"]},
         r"it lacks 1 image (image 11) and it has 1 image (x\x1by), which the other"),
        ({"names": [f"image {i}" for i in (1, 0, *range(2, 12))]}, "another order"),
        ({"fingerprint": "g"}, "have other bytes there, among 12 images (image 0, "),
        ({"taxonomy": "u"}, "its classes (the taxonomy) are others"),
        ({"scoring": {"protocol": "hungarian"}},
         'its protocol is "hungarian" and that of the other "best_region"'),
        ({"scoring": {"protocol": "best_region", "crop": 9}}, "its crop is 9 and"),
    ],
)  # fmt: skip
def test_other_images_or_protocols_are_refused_by_name(
    changes, message, folders, values, tmp_path, capsys
):
    other = wrote(tmp_path / "c", values[0], **changes)
    assert compared(*folders, other, f"--output={tmp_path / 'out'}") == 1
    said = capsys.readouterr().err
    assert message in said
    assert f"{other}: expected an evaluation that can be compared with" in said
    assert not (tmp_path / "out").exists()


def test_seeds_and_boundaries_of_the_protocol_do_not_matter(folders, values, tmp_path):
    scoring = {"protocol": "best_region", "num_seeds": 3, "boundaries": True}
    other = wrote(tmp_path / "c", values[0], scoring=scoring)
    assert len(group([read_evaluation(x) for x in (*folders, other)])) == 1


def test_folders_of_other_kinds_are_named(folders, tmp_path, capsys):
    folder = folders[0]

    def said(*argv):
        status = compared(*argv, f"--output={tmp_path / 'out'}")
        return status, capsys.readouterr().err

    rows = (folder / "per_image.csv").read_text().splitlines()
    (folder / "per_image.csv").write_text("\n".join(rows[:-1]))
    assert "expected the scores of 12 images, but found those of 11" in said(folder)[1]
    (folder / "per_image.csv").write_text("\n".join(rows))
    for name in ("per_image.csv", "metrics.json", "bootstrap.npz", "curves.json"):
        content = (folder / name).read_bytes()
        for other in (b"name\nx\n", b"[1]", b"\xff"):
            (folder / name).write_bytes(other)
            status, message = said(folder)
            assert status == 1
            assert f"{name}: expected" in message
        (folder / name).write_bytes(content)
    (folder / "bootstrap.npz").unlink()
    assert "but there is no bootstrap.npz" in said(folder)[1]
    assert "expected folders" in said()[1]
    assert "named twice" in said(folders[1], folders[1])[1]
    assert said(folders[1], "--labels=a,b")[0] == 2
    assert said(folders[1], "--colour=red")[0] == 2
    assert compared(folders[1], "--output=") == 2
    (tmp_path / "out").write_text("a file")
    assert "this is a file" in said(folders[1])[1]


def test_labels_are_as_long_as_it_takes(folders, tmp_path, capsys):
    paths = [tmp_path / x for x in ("a/x/ours", "b/x/ours", "b/x/other")]
    assert labels_of(paths) == ["a/x/ours", "b/x/ours", "other"]
    assert labels_of(paths[1:]) == ["ours", "other"]
    argv = [*folders, "--labels=same,same", f"--output={tmp_path / 'out'}"]
    assert compared(*argv) == 1
    assert "two are called 'same'" in capsys.readouterr().err


def test_nothing_half_written_is_left(folders, tmp_path, monkeypatch, capsys):
    out, write = tmp_path / "out", comparison_folder.atomic_write

    def full(path):
        if path.name == "index.html":
            raise OSError(28, "No space left on device", str(path))
        return write(path)

    monkeypatch.setattr(comparison_folder, "atomic_write", full)
    assert compared(*folders, f"--output={out}") == 1
    assert "No space left" in capsys.readouterr().err
    assert {x.name for x in tmp_path.iterdir()} == {"a", "b"}
    out.mkdir()
    assert compared(*folders, f"--output={out}") == 1
    assert not (out / "index.html").exists()


def test_what_is_in_the_way_is_told_apart(folders, tmp_path, capsys):
    out = tmp_path / "out"
    argv = [*folders, f"--output={out}"]
    assert compared(*argv) == 0
    whole = {x.name: x.read_bytes() for x in out.iterdir()}
    (out / "index.html").unlink()  # as if it had been stopped
    assert compared(*argv) == 1
    said = capsys.readouterr().err
    assert "table.md: the file is there without index.html, as a comparison" in said
    (out / "index.html").write_text("<html>mine</html>")
    for flag in ("--overwrite", "--nooverwrite"):
        (out / "table.md").unlink(missing_ok=True)
        assert compared(*argv, flag) == 1
    assert "index.html: the file is there, but no comparison" in capsys.readouterr().err
    assert (out / "index.html").read_text() == "<html>mine</html>"
    (out / "index.html").write_text("")  # as files can be after a loss of power
    assert compared(*argv, "--overwrite") == 0
    assert {x.name: x.read_bytes() for x in out.iterdir()} == whole


def test_scores_that_no_folder_has_are_refused(folders, tmp_path, capsys):
    out = tmp_path / "out"
    argv = [*folders, f"--output={out}", "--scores=full/miou,full/nmcoverng"]
    assert compared(*argv) == 2
    assert (
        "none of the folders has a score 'full/nmcoverng'. Did you mean "
        "'full/nmcovering'?"
    ) in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "spelled", ["{} {} --compare", "--compare={} {}", "-compare {} {}"]
)
def test_evaluate_takes_the_flag_in_every_spelling(spelled, folders, tmp_path):
    argv = spelled.format(*folders).split(" ")
    argv = ["uhseg-evaluate", *argv, f"--output={tmp_path / 'out'}"]
    assert evaluate.main(argv) == 0
    text = (tmp_path / "out" / "table.md").read_text()
    assert text.startswith("| shapes, 11 images | a | b |")


def test_images_that_differ_come_first_and_none_twice(values, tmp_path):
    folders = [
        wrote(tmp_path / x, y, drawn=range(10))
        for x, y in zip("ab", values, strict=True)
    ]
    (folders[1] / "sheets" / "000009.jpg").unlink()
    (folders[1] / "sheets" / "000008.jpg").write_bytes(b"of somebody")
    (found,) = group([read_evaluation(x) for x in folders])
    drawn = drawn_images(found)
    assert drawn == list(range(8))
    chosen = choose(found, drawn, count=2)
    shown = [index for x in chosen for index in x.indices]
    assert len(set(shown)) == len(shown) == 6
    assert 3 not in shown  # does not count
    above = np.abs(values[1] - values[0])[:8]
    assert chosen[0].indices == tuple(np.argsort(-above)[:2])  # NaN comes last
    assert [x.heading for x in chosen] == [
        *("Scores differ most", "The first does worst", "The first does best")
    ]
    first = values[0]
    assert first[chosen[1].indices[0]] <= first[chosen[2].indices[0]]


def test_a_drawing_that_is_damaged_is_named(folders, tmp_path, capsys):
    path = folders[0] / "sheets" / "000002.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    assert compared(*folders, f"--output={tmp_path / 'out'}") == 1
    assert "000002.jpg: expected a sheet" in capsys.readouterr().err
    sheet(path, "image 2")
    assert compared(*folders, f"--output={tmp_path / 'out'}") == 0


def test_one_evaluation_without_curves_or_drawings_has_a_page(values, tmp_path):
    folder = wrote(tmp_path / "a", values[0], drawn=(), curves=False)
    assert compared(folder, f"--output={tmp_path / 'out'}") == 0
    names = {x.name for x in (tmp_path / "out").iterdir()}
    assert names == FILES - {"precision_recall.png"}


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("full/nmcovering_at_8", "NMCovering@8"),
        ("full/nmcovering", "NMCovering"),
        ("grid/miou", "mIoU (patch grid)"),
        ("full/ar", "AR"),
        ("full/ar_at_16", "AR@16"),
        ("full/ar_100", "AR@100"),
        ("full/ar_1000_small", "AR@1000, small objects"),
        ("full/objects_75", "objects at IoU 0.75"),
        ("full/ap", "AP"),
        ("full/ap_50", "AP50"),
        ("full/boundary_ods_by_cost", "boundary F ODS, one cost"),
        ("full/boundary_f_at_4", "boundary F@4"),
        ("full/boundary_ap", "boundary AP"),
        ("full/covering_ois", "covering OIS"),
        ("full/pri_ods", "PRI ODS"),
        ("full/voi_ods", "VoI ODS"),
        ("full/fop_ods", "Fop ODS"),
        ("full/tree_nmcovering", "NMCovering of the hierarchy"),
        ("foreground/first_iou", "first iou (foreground)"),
        ("mean_nodes", "nodes"),
    ],
)
def test_scores_have_names_for_people(key, title):
    assert title_of(key) == title
