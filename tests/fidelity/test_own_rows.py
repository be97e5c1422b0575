"""Own rows add to what is known of a device: they bring what they name near to what was measured, and make nothing
worse. All rows are made up: networks whose time follows their arithmetic, on a device of known speed."""

import math
from pathlib import Path

import numpy as np
import pytest

from aios.cost.learning import predict
from aios.cost.network_predictor import PREDICTOR
from aios.cost.network_setting import as_asked, measured_in, setting_of
from aios.records.errors import InputError
from aios.records.observation import Observations
from aios.workflow.calibrating import calibrate_all, calibrate_device
from aios.workflow.calibrations import load_calibrations
from aios.workflow.measuredtables import read_tables
from aios.workflow.setting import silent
from aios.workflow.shipped import shipped_catalogue

FORM = """\
apiVersion: aios/v1
kind: Table
metadata: {{name: {name}}}
spec:
  files: ["{name}*.csv"]
  words: {{model: model, device: board, mode: {{value: inference}}, precision: {{value: fp16}}{software}}}
  numbers:
    batch: {{value: 1, unit: 1}}
    macs: {{column: gmacs, unit: 1e9}}
    parameters: {{column: params_m, unit: 1e6}}
  family: {{column: model, pattern: '^([a-z]+)'}}
  metrics:
    - {{metric: throughput, column: rate, unit: /s, predictor: network}}
    - {{metric: latency.mean, column: ms, unit: ms, predictor: network}}
    - {{metric: power, column: watts, unit: W, predictor: power}}
"""
HEADER = "model,board,gmacs,params_m,rate,ms,watts"
FAMILIES = ("ares", "bvgg", "cnext", "dvit", "edla", "fpnx")
DEVICES = {"nvidia-t4": 4e12, "nvidia-v100-sxm2-16gb": 9e12, "nvidia-geforce-rtx-3090": 1.2e13}
T4 = "nvidia-t4"
KEY = ("network", "throughput")


def write(folder, name, rows, software=""):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.table.yaml").write_text(FORM.format(name=name, software=software))
    (folder / f"{name}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder / f"{name}.csv"


def row(model, size, rate, board=T4, ms="", watts=""):
    return f"{model},{board},{size},{5 * size},{rate:.3f},{ms},{watts}"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """What was learnt of three devices under a compiler."""
    place = tmp_path_factory.mktemp("published")
    draw = np.random.default_rng(1)
    rows = [
        row(f"{family}{size}", size, speed / (2e9 * size) * math.exp(draw.normal(0, 0.2)), board)
        for board, speed in DEVICES.items()
        for family in FAMILIES
        for size in (1, 2, 3, 4, 6, 8)
    ]
    write(place / "rows", "published", rows, ", software: {value: compiler}")
    calibrate_all(place / "rows", "network", None, place / "learnt", silent)
    return place / "learnt"


def learn(published, table, out, device=T4):
    known = load_calibrations([published, out], silent)
    return calibrate_device(device, read_tables(table, None, silent), None, known, out, silent)


def of(taught, metric="throughput"):
    return next(item for item in taught.learnt if item.calibration.metric == metric)


def asked(sizes):
    return Observations(
        table="", predictor="network", metric="throughput", unit="/s",
        words={
            "model": np.array(list(sizes)), "device": np.full(len(sizes), T4), "mode": np.full(len(sizes), "inference"),
            "precision": np.full(len(sizes), "fp16"), "software": np.full(len(sizes), "compiler"),
        },
        numbers={
            "macs": np.array([1e9 * size for size in sizes.values()]),
            "parameters": np.array([5e6 * size for size in sizes.values()]),
            "batch": np.ones(len(sizes)),
        },
        types=np.full(len(sizes), T4), families=np.full(len(sizes), ""),
        lines=np.arange(len(sizes)), values=np.full(len(sizes), np.nan),
    )  # fmt: skip


def rates(folders, sizes, level="calibrated"):
    """Return the rates that plans expect of networks, and the pessimistic ones."""
    learnt = load_calibrations(folders, silent).of(*KEY, devices=[T4])
    rows = asked(sizes)
    found = predict(PREDICTOR.design(rows, {T4: shipped_catalogue()[T4]}), learnt, level)
    return PREDICTOR.value(rows, found.value), PREDICTOR.value(rows, found.high)


SIX = {"ares2": 2, "bvgg4": 4, "cnext3": 3, "dvit6": 6, "edla1": 1, "fpnx8": 8}


def six_rows(published, factors):
    before, _ = rates([published], SIX)
    return [row(*item, rate * by) for item, rate, by in zip(SIX.items(), before, factors, strict=True)], before


def test_a_network_that_was_measured_is_planned_near_its_measurement_and_others_stay(published, tmp_path):
    odd = (3.0, 0.8, 1.25, 1.0, 0.9, 1.1)
    rows, before = six_rows(published, odd)
    learnt = of(learn(published, write(tmp_path / "own", "mine", rows), tmp_path / "out"))
    assert (learnt.rows, learnt.upon) == (6, 36)
    assert learnt.others is not None, "what is odd about one network says nothing of others"
    assert learnt.calibration.errors[0].median == pytest.approx(learnt.before.median)
    after, low = rates([published, tmp_path / "out"], SIX, "profiled")
    measured = before * np.array(odd)
    assert np.abs(np.log(after / measured)).max() < 0.25 * math.log(3)
    assert (low < measured).all()
    strangers = {"gnew2": 2, "gnew5": 5}
    assert rates([published, tmp_path / "out"], strangers)[0] == pytest.approx(rates([published], strangers)[0])


def test_of_a_network_that_was_measured_plans_are_surer(published, tmp_path):
    rows, _ = six_rows(published, (3.0, 0.8, 1.25, 1.0, 0.9, 1.1))
    learn(published, write(tmp_path / "own", "mine", rows), tmp_path / "out")
    widths = [
        np.log(value / low)[0]
        for value, low in (rates([published, tmp_path / "out"], SIX, level) for level in ("calibrated", "profiled"))
    ]
    assert 0.4 * widths[0] < widths[1] < 0.7 * widths[0]


def test_rows_that_are_all_slower_move_networks_that_they_do_not_name(published, tmp_path):
    rows, _ = six_rows(published, [0.5] * 6)
    learnt = of(learn(published, write(tmp_path / "own", "mine", rows), tmp_path / "out"))
    assert learnt.others is None
    assert learnt.calibration.errors[0].median < 0.5 * learnt.before.median
    strangers = {"gnew2": 2, "gnew5": 5}
    moved = rates([published, tmp_path / "out"], strangers)[0] / rates([published], strangers)[0]
    assert (moved > 0.45).all()
    assert (moved < 0.75).all()


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_predicted_worse_than_without_own_rows(published, tmp_path, seed):
    draw = np.random.default_rng(seed)
    rows, _ = six_rows(published, np.exp(draw.normal(draw.normal(0, 0.3), 0.4, 6)))
    learnt = of(learn(published, write(tmp_path / "own", "mine", rows), tmp_path / "out"))
    assert learnt.calibration.errors[0].median <= learnt.before.median * (1 + 1e-9)


def test_one_row_is_enough_on_a_device_that_is_known(published, tmp_path):
    before, _ = rates([published], {"ares2": 2})
    learnt = of(learn(published, write(tmp_path / "own", "mine", [row("ares2", 2, before[0] * 2)]), tmp_path / "out"))
    assert learnt.calibration.errors == ()
    after, _ = rates([published, tmp_path / "out"], {"ares2": 2, "gnew2": 2}, "profiled")
    assert 1.6 < after[0] / before[0] < 2
    assert after[1] == pytest.approx(rates([published], {"gnew2": 2})[0][0])
    with pytest.raises(InputError, match="too few rows"):
        learn(
            published, write(tmp_path / "own", "l4", [row("ares2", 2, 500, "nvidia-l4")]), tmp_path / "out", "nvidia-l4"
        )


def test_the_next_table_adds_and_the_same_one_again_does_not_count_twice(published, tmp_path):
    rows, before = six_rows(published, (3.0, 0.8, 1.25, 1.0, 0.9, 1.1))
    first, second = (write(tmp_path / "own", name, part) for name, part in (("mine", rows[:1]), ("more", rows[1:])))
    out = tmp_path / "out"
    learn(published, first, out)
    added = of(learn(published, second, out))
    assert (added.rows, added.upon, added.dropped) == (5, 37, ())
    assert [entry.table for entry in added.calibration.provenance[-2:]] == ["mine.csv", "more.csv"]
    assert rates([published, out], SIX, "profiled")[0][0] > 2 * before[0], "what the first one said still holds"
    again = of(learn(published, second, out))
    assert (again.rows, again.upon, again.dropped) == (5, 36, ("mine.csv",))
    once = of(learn(published, second, tmp_path / "alone"))
    assert again.calibration == once.calibration


def test_rows_of_software_that_nobody_states_count_as_measured_under_what_plans_ask_for(published):
    learnt = load_calibrations([published], silent).of(*KEY, devices=[T4])
    device = shipped_catalogue()[T4]
    bare = asked({"ares2": 2})
    bare.words["software"][:] = ""
    assert as_asked(bare, {KEY: learnt}, device, unstated=True).word("software").tolist() == ["compiler"]
    other = asked({"ares2": 2})
    other.words["software"] = np.array(["another"])
    assert as_asked(other, {KEY: learnt}, device, unstated=True).word("software").tolist() == ["another"]
    assert as_asked(other, {KEY: learnt}, device, unstated=False).word("software").tolist() == ["compiler"]


def test_of_two_metrics_of_a_network_its_throughput_tells_when_the_device_is_free(published, tmp_path):
    rows, before = six_rows(published, [1.0] * 6)
    rows = [line.rpartition(",,")[0] + f",{4000 / rate:.4f}," for line, rate in zip(rows, before, strict=True)]
    taught = learn(published, write(tmp_path / "own", "mine", rows), tmp_path / "out")
    assert {item.calibration.metric for item in taught.learnt} == {"throughput", "latency.mean"}
    known = load_calibrations([published, tmp_path / "out"], silent)
    device = shipped_catalogue()[T4]
    read = {("network", name): known.of("network", name, devices=[T4]) for name in ("throughput", "latency.mean")}
    assert (T4, "ares2") in measured_in(read[KEY])
    both = setting_of(read, device, "any", "fp16", "ares2")
    assert (both.metric, both.level) == ("throughput", "profiled")
    alone = setting_of({("network", "latency.mean"): read["network", "latency.mean"]}, device, "any", "fp16", "ares2")
    assert (alone.metric, alone.level) == ("latency.mean", "profiled")


def test_rows_that_teach_nothing_are_told_with_the_reason(published, tmp_path):
    rows, _ = six_rows(published, [1.0] * 6)
    rows = [f"{line}70" for line in rows]
    rows += ["our_net,nvidia-t4,,,100,,", row("ares8", 8, 1e9), row("edla2", 2, 900, watts=90)]
    taught = learn(published, write(tmp_path / "own", "mine", rows), tmp_path / "out")
    left = of(taught).left
    assert left.unknown_models == {"mine.csv": ("our_net",)}
    (fast,) = left.impossible
    assert (fast.table, fast.line) == ("mine.csv", 9)
    assert fast.text.startswith("throughput 1000000000/s of ares8; more than ")
    assert fast.text.endswith("/s cannot be true")
    (drawn,) = next(
        item for item in (*(i.left for i in taught.learnt), *taught.left) if item.predictor == "power"
    ).impossible
    assert drawn.text == "power 90 W of edla2; more than 77 W cannot be true: nvidia-t4 is rated 70 W"


def test_a_device_that_has_no_row_is_not_among_those_that_have(published, tmp_path):
    rows, _ = six_rows(published, [1.0] * 6)
    with pytest.raises(InputError) as caught:
        learn(published, write(tmp_path / "own", "mine", rows), Path(tmp_path / "out"), "nvidia-l4")
    assert caught.value.diagnostics[0].reason == "no row of it is there; there are rows of: nvidia-t4"
