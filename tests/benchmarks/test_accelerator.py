import dataclasses
import json

import pytest

from uhseg_jax.benchmarks import accelerator
from uhseg_jax.benchmarks.accelerator import Plan
from uhseg_jax.benchmarks.records import Record


def test_what_was_measured_stays_when_a_section_fails(tmp_path, monkeypatch, capsys):
    def broken():
        raise RuntimeError("out of memory")

    planned = {
        "rate": lambda: Record(facts={"TFLOP/s": 1.0}),
        "forward, batch 64": broken,
        "cut, batch 64": Record,
    }
    monkeypatch.setattr(accelerator, "sections", lambda plan: planned.items())
    path = tmp_path / "figures.json"
    argv = ["accelerator", f"--json={path}", "--quick"]
    assert accelerator.main(argv) == 1
    report = json.loads(path.read_text())
    assert list(report["sections"]) == ["rate", "cut, batch 64"]
    assert "out of memory" in report["left_out"]["forward, batch 64"]
    assert report["machine"]["versions"]["jax"]
    assert "forward, batch 64" in capsys.readouterr().err
    assert accelerator.main([*argv, "--limit_s=0"]) == 0
    assert not json.loads(path.read_text())["sections"]


def test_sections_come_in_the_order_of_the_batches():
    names = [name for name, _ in accelerator.sections(Plan.full())]
    assert names == [
        "rate",
        *("forward, batch 1", "cut, batch 1", "forward, batch 8", "cut, batch 8"),
        *("forward, batch 64", "cut, batch 64", "stages"),
    ]


@pytest.mark.slow
def test_every_section_can_be_measured():
    configs = {"region_merging": Plan.quick().configs["region_merging"]}
    plan = dataclasses.replace(Plan.quick(), batches=(2,), configs=configs)
    records = {name: call() for name, call in accelerator.sections(plan)}
    forward = records["forward, batch 2"]
    assert forward.facts["share of the matrix rate"] > 0
    assert any("cut: region_merging" in x for x in records["cut, batch 2"].timings)
    assert "region_merging: cut" in records["stages"].timings
