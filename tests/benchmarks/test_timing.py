import time

import pytest

from uhseg_jax.benchmarks import timing
from uhseg_jax.benchmarks.machine import machine
from uhseg_jax.benchmarks.records import Figure, Record, table
from uhseg_jax.benchmarks.timing import Timing


def test_contenders_take_turns():
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    timings = timing.measure(calls, repeats=3)
    assert order == ["a", "b"] * 4
    assert all(len(found.seconds) == 3 for found in timings.values())
    timing.measure(calls, repeats=1, warm_up=False)
    assert order == ["a", "b"] * 5


def test_a_median_is_that_of_the_warm_calls():
    pauses = iter([0.05, 0.0, 0.01, 0.0])
    found = timing.measure({"a": lambda: time.sleep(next(pauses))}, repeats=3)["a"]
    assert found.median < 0.01 <= max(found.seconds) < 0.05


def test_a_ratio_is_the_median_over_the_rounds():
    # In the third round the machine was busy for both.
    ours, anchor = Timing((1.0, 1.0, 30.0)), Timing((2.0, 4.0, 60.0))
    assert timing.paired_ratio(ours, anchor) == 0.5


def test_the_machine_is_named():
    found = machine()
    assert found["cores"] >= 1
    assert found["processor"]
    assert {"jax", "numpy", "uhseg_jax"} <= set(found["versions"])


@pytest.mark.parametrize(("aim", "verdict"), [(0.4, "missed"), (0.5, "met")])
def test_a_figure_says_whether_its_aim_is_met(aim, verdict):
    timings = {"ours": Timing((1.0,)), "theirs": Timing((2.0,))}
    figure = Figure.ratio(timings, "ours", "theirs", aim)
    assert str(figure) == f"ours / theirs: 0.500 (aim {aim}, {verdict})"
    assert figure.is_met == (verdict == "met")


def test_a_table_shows_all_that_a_record_holds():
    record = Record(
        timings={"ours": Timing((1.0, 3.0))},
        figures=(Figure("start", 4.0, aim=6.0),),
        facts={"programs": {"cold": {"count": 11}}, "peak_gb": 0.51234},
        notes=("torch is not installed.",),
    )
    said = table("stages", record)
    for text in ("ours", "2.000", "start, s: 4.000", "count 11", "0.5123", "torch is"):
        assert text in said
    assert record.to_dict()["timings"]["ours"]["min_s"] == 1.0
