"""Evaluations side by side, against standard errors of means and of ratios."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from uhseg_jax.cli import compare as command
from uhseg_jax.runs import compare

RNG = np.random.default_rng(0)
NAMES = [f"image {i}" for i in range(12)]


def wrote(folder, values, *, dataset="shapes", skipped=1):
    """A folder as an evaluation of a mean, which counts all but some images."""
    scored = values[skipped:]
    keys = ("full/covering_at_2", "full/covering_at_4", "full/covering_ods")
    metrics = dict.fromkeys(keys, scored.mean()) | {"full/nmcovering": None}
    metrics |= {"images": len(scored), "skipped": skipped, "mean_nodes": 7.25}
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    record = {"kind": "evaluate", "weights_sha256": "", "dataset": dataset, "files": {}}
    (folder / "run.json").write_text(json.dumps(record))
    with open(folder / "leave_one_out.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["name", *metrics])
        writer.writeheader()
        for i, name in enumerate(NAMES[: len(values)]):
            rest = np.delete(scored, i - skipped) if i >= skipped else scored
            row = dict.fromkeys(keys, rest.mean()) | {"full/nmcovering": "nan"}
            row |= {"images": len(rest), "skipped": skipped, "mean_nodes": 7.25}
            writer.writerow({"name": name, **row})
    return folder


@pytest.fixture
def values():
    first = RNG.uniform(size=12)
    return first, first + 0.1 + RNG.normal(scale=0.02, size=12)


def of_mean(values):
    return values.std(ddof=1) / np.sqrt(values.size)


def test_errors_of_means_are_the_usual_ones(values, tmp_path):
    ones = [
        compare.read_evaluation(wrote(tmp_path / name, x), label=name)
        for name, x in zip("ab", values, strict=True)
    ]
    (group,) = compare.group(ones)
    assert group.title == "shapes, 11 images"  # the first does not count
    first, second = (x[1:] for x in values)
    key = "full/covering_ods"
    assert ones[0].error(key) == pytest.approx(of_mean(first))
    above, error = ones[1].difference(ones[0], key)
    assert above == pytest.approx((second - first).mean())
    assert error == pytest.approx(of_mean(second - first))
    assert np.isnan(ones[0].error("full/other"))
    assert np.isnan(ones[0].error("full/nmcovering"))


def test_errors_of_ratios_are_those_of_many_samples():
    def sample(n):
        weights = RNG.uniform(1, 9, size=n)
        return weights * RNG.uniform(size=n), weights

    parts, wholes = sample(200)
    left_out = (parts.sum() - parts) / (wholes.sum() - wholes)
    ratios = [x.sum() / y.sum() for x, y in (sample(200) for _ in range(2000))]
    found = compare.standard_error(left_out)
    assert found == pytest.approx(np.std(ratios), rel=0.2)


def test_the_command_writes_a_table_and_a_plot(values, tmp_path, capsys):
    folders = [wrote(tmp_path / x, y) for x, y in zip("ab", values, strict=True)]
    folders.append(wrote(tmp_path / "c", values[0][:6], dataset="others", skipped=0))
    argv = ["uhseg-compare", *map(str, folders), f"--output={tmp_path / 'out'}"]
    assert command.main(argv) == 0, capsys.readouterr().err
    text = (tmp_path / "out.md").read_text()
    assert text in capsys.readouterr().out
    tables = [x.splitlines() for x in text.strip().split("\n\n")]
    assert tables[0][0] == "| shapes, 11 images | a | b |"
    assert tables[1][0] == "| others, 6 images | c |"
    assert tables[0][2] == "| nodes | 7.2 | 7.2 |"
    first, second = (x[1:] for x in values)
    one = f"{first.mean():.3f} ± {of_mean(first):.3f}"
    other = f"{second.mean():.3f} ± {of_mean(second):.3f}"
    difference = second - first
    paired = f"({difference.mean():+.3f} ± {of_mean(difference):.3f})"
    assert f"| `full/covering_ods` | {one} | {other} {paired} |" in tables[0]
    assert "| `full/nmcovering` | nan ± nan | nan ± nan (+nan ± nan) |" in tables[0]
    with Image.open(tmp_path / "out.png") as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
    before = (tmp_path / "out.png").read_bytes()
    assert command.main(argv) == 1
    assert "out.md: the file is there" in capsys.readouterr().err
    argv += ["--overwrite", "--labels=x,y,z", "--scores=full/covering_at_2"]
    assert command.main(argv) == 0
    assert "| shapes, 11 images | x | y |" in (tmp_path / "out.md").read_text()
    assert "covering_ods" not in (tmp_path / "out.md").read_text()
    assert (tmp_path / "out.png").read_bytes() != before


def test_folders_of_other_kinds_are_named(values, tmp_path, capsys):
    folder = wrote(tmp_path / "a", values[0])
    rows = (folder / "leave_one_out.csv").read_text().splitlines()

    def said(*argv):
        argv = [*argv, f"--output={tmp_path / 'out'}"]
        status = command.main(["uhseg-compare", *map(str, argv)])
        return status, capsys.readouterr().err

    (folder / "leave_one_out.csv").write_text("\n".join(rows[:-1]))
    status, message = said(folder)
    assert status == 1
    assert "for each of the 11 images that count, but found 10" in message
    for name in ("leave_one_out.csv", "metrics.json"):
        (folder / name).write_text("name\nx\n")
        assert "one is another file" in said(folder)[1]
    (folder / "metrics.json").unlink()
    assert "expected the results of uhseg-evaluate" in said(folder)[1]
    assert "expected folders" in said()[1]
    assert said(folder, "--labels=a,b")[0] == 2
    assert said(folder, "--colour=red")[0] == 2
    assert not list(tmp_path.glob("out*"))
