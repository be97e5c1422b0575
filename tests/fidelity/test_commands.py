"""aios fidelity and aios calibrate as a user runs them, on a table that is made up here."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from in_process import run

FORM = """\
apiVersion: aios/v1
kind: Table
metadata: {name: boards}
spec:
  files: ["boards*.csv"]
  words: {model: model, device: board, mode: {value: inference}, precision: {value: fp16}}
  numbers:
    batch: {column: batch, unit: 1}
    macs: {column: gmacs, unit: 1e9}
    parameters: {column: params_m, unit: 1e6}
  family: {column: model, pattern: '^([a-z]+)'}
  metrics:
    - {metric: throughput, column: rate, unit: /s, predictor: network}
    - {metric: latency.mean, column: ms, unit: ms, predictor: network}
  choices: [{within: [device], bound: latency.mean, goal: throughput}]
"""
HEADER = "model,board,batch,gmacs,params_m,rate,ms"
FIGURES = ("rows", "median_ape", "p90_ape", "bias", "coverage", "feasible_share", "regret_median", "regret_p90")


def made_up(boards, seed=0):
    draw = np.random.default_rng(seed)
    rows = []
    for board, speed in boards.items():
        for family in ("ares", "bvgg", "cnext", "dvit", "edla"):
            for size in (1, 2, 4, 8):
                for batch in (1, 8, 32):
                    rate = speed / (2e9 * size) * batch / (batch + 4) * math.exp(draw.normal(0, 0.05))
                    rows.append(
                        f"{family}{size},{board},{batch},{size},{5 * size},{rate:.2f},{1000 * batch / rate:.4f}"
                    )
    return rows


BOARDS = {"nvidia-t4": 4e12, "nvidia-v100-sxm2-16gb": 9e12, "nvidia-geforce-rtx-3090": 1.2e13}


def aios(*arguments, code=0):
    done = run(".", arguments)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("measured")
    (place / "boards.table.yaml").write_text(FORM)
    too_fast = "zfast1,nvidia-t4,1,100,5,1e9,0.001"
    lines = ["# source: made up; licence CC0", HEADER, *made_up(BOARDS), too_fast, "odd1,nvidia-t4,1,1,5,fast,1"]
    lines.append("ares1,some board,1,1,5,10,100")
    (place / "boards.csv").write_text("\n".join(lines) + "\n")
    (place / "notes.csv").write_text("who,what\nme,this\n")
    return place


@pytest.fixture(scope="module")
def report(folder):
    out = folder / "report.json"
    done = aios("fidelity", "--data", folder, "--table", "*.csv", "--json-into", out)
    return done.out, json.loads(out.read_text())


def test_the_report_has_every_figure(report):
    _, document = report
    rows = {(row["metric"], row["level"]): row for row in document["tables"]}
    assert set(rows) == {
        (m, level) for m in ("throughput", "latency.mean") for level in ("zero-shot", "calibrated", "profiled")
    }
    for row in rows.values():
        assert row["table"] == "boards.csv"
        assert row["rows"] <= 182
        assert all(name in row for name in FIGURES)
    best = rows["throughput", "calibrated"]
    assert best["rows"] == 180
    assert best["median_ape"] < 0.1
    assert best["coverage"] >= 0.8  # five families say little of how far a sixth is off: intervals are wide
    assert best["median_ape"] < best["references"]["roofline"]["median_ape"]
    assert best["feasible_share"] > 0.9
    assert best["regret_median"] < 0.2
    assert best["undecided"] < best["intents"] / 2
    assert set(best["references"]["roofline"]) >= {"median_ape", "feasible_share", "regret_median"}
    assert best["intents"] + best["impossible"] == 2000
    assert max(best["loose"], best["undecided"]) <= best["intents"]
    risky = best["references"]["expected"]
    assert risky["undecided"] <= best["undecided"]  # a pessimistic end keeps more out
    assert (risky["intents"], risky["impossible"]) == (best["intents"], best["impossible"])
    assert rows["latency.mean", "calibrated"]["feasible_share"] is None
    assert document["skipped"] == [{"table": "notes.csv", "reason": "no form knows its columns"}]


def test_impossible_rows_are_suspicious(report):
    words, document = report
    assert all(row["suspicious"] == 1 for row in document["tables"])
    assert document["suspicious"] == {"boards.csv": [183]}
    assert "better or worse than can be true" in words


def test_what_nobody_knows_is_listed(report):
    words, document = report
    assert document["unknown_devices"] == {"boards.csv": ["some board"]}
    assert "boards.csv: no device of the catalogue, or not clear which: some board" in words
    assert document["unknown_models"] == {}


def test_bad_cells_are_told_with_their_place(report):
    words, _ = report
    assert "`fast` in column `rate` is no number" in words
    assert "boards.csv:184:" in words


def test_lines_that_are_left_out_are_counted(tmp_path):
    (tmp_path / "boards.table.yaml").write_text(FORM.replace("spec:\n", "spec:\n  where: {batch: {not: ['1']}}\n", 1))
    zero = "ares1,nvidia-t4,0,1,5,100,10"
    (tmp_path / "boards.csv").write_text("\n".join([HEADER, *made_up(BOARDS), "ares1,nvidia-t4,2,1,5,,", zero]) + "\n")
    out = tmp_path / "report.json"
    done = aios("fidelity", "--data", tmp_path, "--level", "calibrated", "--no-regret", "--json-into", out)
    document = json.loads(out.read_text())
    assert document["lines"] == {
        "boards.csv": {"lines": 182, "read": 120, "filtered": 60, "empty": 1, "unreadable": 1},
    }
    words = "120 of 182 lines are read; left out: 60 by its form, 1 without a measured number, 1 that cannot be read"
    assert f"boards.csv: {words}" in done.out


def test_a_predictor_that_fails_is_a_bug_and_does_not_hide_the_others(folder, capsys):
    from aios.cli.fidelity import tell
    from aios.workflow.fidelity import fidelity, request

    def broken(predictor, metric):
        if (predictor, metric) == ("network", "throughput"):
            raise ArithmeticError("no such number")

    asked = request(folder / "boards.csv", None, ("zero-shot",), None, False, 0)
    code = tell(fidelity(asked, broken, lambda _: None), None, json=False, json_into=None)
    out, err = capsys.readouterr()
    assert code == 70
    assert "network throughput failed: ArithmeticError: no such number; this is a bug in aios" in err
    assert re.search(r"boards.csv +network +latency.mean +zero-shot +182 of 183 ", out)


def test_the_same_report_twice(folder):
    asked = ("fidelity", "--data", folder / "boards.csv", "--level", "calibrated", "--json")
    other = subprocess.run([sys.executable, "-m", "aios.cli.main", *asked], capture_output=True, text=True, check=True)
    assert aios(*asked).out == other.stdout


def test_old_against_new(folder, report, tmp_path):
    _, document = report
    for row in document["tables"]:
        row["median_ape"] *= 2
    old = tmp_path / "old.json"
    old.write_text(json.dumps(document))
    done = aios("fidelity", "--data", folder, "--level", "calibrated", "--no-regret", "--against", old)
    assert "better" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--data", "/nowhere"), 1, "there is no folder /nowhere"),
        (("--data", "{folder}", "--table", "x*"), 1, "there are: boards.csv"),
        (("--data", "{folder}", "--level", "calibratd"), 64, "did you mean `calibrated`?"),
        (("--data", "{folder}", "--predictor", "netwrk"), 64, "did you mean `network`?"),
        (("--data", "{folder}", "--against", "{folder}/boards.csv"), 1, "is no report"),
        (("--data", "{folder}/notes.csv"), 1, "no table could be read"),
    ],
)
def test_what_cannot_be_judged_is_said(folder, arguments, code, said):
    done = aios("fidelity", *(item.format(folder=folder) for item in arguments), code=code)
    assert said in done.err
    if "notes" in arguments[1]:
        assert "no form knows its columns" in done.out


def test_a_device_is_learnt_and_its_file_is_read_again(folder, tmp_path):
    done = aios("calibrate", "--device", "T4", "--table", folder / "boards.csv", "--out", tmp_path, "--json")
    (one, two) = done.json["calibrations"]
    assert {one["metric"], two["metric"]} == {"throughput", "latency.mean"}
    assert one["suspicious"] == {"boards.csv": [183]}
    assert one["after"][0]["median"] < 0.15
    document = done.json
    assert document["unknown_devices"] == {"boards.csv": ["some board"]}
    assert len(document["notes"]) == 1
    text = Path(one["file"]).read_text()
    assert '"source": "made up"' in text
    assert '"licence": "CC0"' in text
    from aios.fidelity.keeping import calibration_text, read_calibration

    assert calibration_text(read_calibration(text.encode(), "x")) == text


def test_a_folder_is_learnt_and_refined(folder, tmp_path):
    words = aios("calibrate", "--data", folder, "--from-scratch", "--out", tmp_path).out
    assert "skipped: notes.csv: no form knows its columns" in words
    assert "`fast` in column `rate` is no number" in words
    assert "boards.csv: no device of the catalogue, or not clear which: some board" in words
    names = sorted(path.name for path in tmp_path.iterdir())
    assert "network-throughput.yaml" in names
    assert {f"network-throughput-{name}.yaml" for name in BOARDS} <= set(names)
    made = json.loads((tmp_path / "network-throughput.yaml").read_text())["spec"]["makers"]
    assert {name.partition("|")[0]: makers for name, makers in made.items()} == {"gpu": ["NVIDIA"]}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000
    assert "not used by plans" in words
    assert "leave out `--from-scratch`" in words, "180 rows are less than what ships was learnt from"
    other = tmp_path / "other.csv"
    (tmp_path / "boards.table.yaml").write_text(FORM)
    other.write_text("\n".join([HEADER, *made_up({"nvidia-l4": 3e12}, seed=5)]) + "\n")
    done = aios("calibrate", "--device", "nvidia-l4", "--table", other, "--out", tmp_path, "--json")
    learnt = {item["metric"]: item for item in done.json["calibrations"]}
    before, after = learnt["throughput"]["before"], learnt["throughput"]["after"][0]
    assert after["median"] < before["median"]
    assert after["level"] == "calibrated"


def test_a_folder_is_learnt_on_top_of_what_ships(tmp_path):
    rare = "\n".join([HEADER, *made_up(BOARDS)[:60], *made_up({"nvidia-l40s": 3e12})[:4]])
    (tmp_path / "boards.csv").write_text(rare + "\n")
    (tmp_path / "boards.table.yaml").write_text(FORM)
    out = tmp_path / "learnt"
    done = aios("calibrate", "--data", tmp_path, "--out", out, "--json")
    document = done.json
    assert {path.name for path in out.iterdir()} == {
        "network-throughput-nvidia-t4.yaml",
        "network-latency.mean-nvidia-t4.yaml",
    }
    assert [(item["device"], item["rows"]) for item in document["too_few_rows"]] == [("nvidia-l40s", 4)] * 2
    assert all(item["unused"] is None or "plans rest on" in item["unused"] for item in document["calibrations"])
    throughput = next(item for item in document["calibrations"] if item["metric"] == "throughput")
    assert throughput["seen_before"] > 0, "what ships was learnt from rows of this device as well"
    words = aios("calibrate", "--data", tmp_path, "--out", out).out
    assert "these ones perhaps" in words
    assert "too few rows: nvidia-l40s network throughput: 4 rows" in words
    text = (out / "network-throughput-nvidia-t4.yaml").read_text()
    assert '"devices"' not in text
    assert '"spread"' not in text


def test_fewer_rows_than_count_as_known_teach_nothing(tmp_path):
    (tmp_path / "boards.table.yaml").write_text(FORM)
    (tmp_path / "boards.csv").write_text("\n".join([HEADER, *made_up({"nvidia-l40s": 3e12})[:4]]) + "\n")
    out = tmp_path / "learnt"
    asked = ("--device", "nvidia-l40s", "--table", tmp_path / "boards.csv", "--out", out)
    assert "too few rows to learn network throughput of nvidia-l40s" in aios("calibrate", *asked, code=1).err
    assert not out.exists()


def test_few_rows_of_one_family_are_as_sure_as_of_a_device_that_nobody_knows(tmp_path):
    from aios.fidelity.keeping import read_calibration
    from aios.workflow.calibrations import shipped_calibrations

    (tmp_path / "boards.table.yaml").write_text(FORM)
    (tmp_path / "boards.csv").write_text("\n".join([HEADER, *made_up({"nvidia-l40s": 3e12})[:6]]) + "\n")
    asked = ("--device", "nvidia-l40s", "--table", tmp_path / "boards.csv", "--out", tmp_path / "learnt")
    aios("calibrate", *asked)
    file = tmp_path / "learnt" / "network-throughput-nvidia-l40s.yaml"
    own = read_calibration(file.read_bytes(), str(file)).residuals
    shared = shipped_calibrations([].append).shared("network", "throughput").residuals
    unseen = next(item for item in shared if item.level == "zero-shot" and not item.stratum)
    assert [(item.level, item.stratum) for item in own] == [
        ("calibrated", "device nvidia-l40s"),
        ("profiled", "device nvidia-l40s"),
    ]
    assert (own[0].low, own[0].high) == (unseen.low, unseen.high)
    assert 0.5 < own[1].high / own[0].high < 0.6, "networks that were measured are known better"


def test_own_rows_are_what_the_next_plan_rests_on_or_it_is_said_why_not(tmp_path):
    (tmp_path / "boards.table.yaml").write_text(
        FORM.partition("  choices")[0].replace("latency.mean, column: ms", "latency.p90, column: ms")
    )
    (tmp_path / "boards.csv").write_text("\n".join([HEADER, *made_up({"nvidia-l4": 3e12})]) + "\n")
    asked = ("--device", "nvidia-l4", "--table", tmp_path / "boards.csv", "--out", tmp_path / "learnt")
    words = aios("calibrate", *asked).out
    assert "network-latency.p90-nvidia-l4.yaml: no plan asks for network latency.p90" in words
    assert words.count("not used by plans") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--device", "nvidia-t4", "--table", "{folder}/boards.csv", "--from-scratch"), 64, "takes a folder of tables"),
        (("--device", "nvidia-t5", "--table", "{folder}/boards.csv"), 1, "there is no device type `nvidia-t5`"),
        (("--device", "nvidia-l40s", "--table", "{folder}/boards.csv"), 1, "nothing can be learnt of nvidia-l40s"),
        (("--device", "nvidia-t4", "--table", "{folder}/notes.csv"), 1, "no form knows its columns"),
        (("--device", "nvidia-t4"), 64, "it is not said what to learn from"),
        (("--device", "nvidia-t4", "--table", "{folder}/none.csv"), 1, "there is no folder"),
    ],
)
def test_what_cannot_be_learnt_is_said(folder, tmp_path, arguments, code, said):
    done = aios("calibrate", *(item.format(folder=folder) for item in arguments), "--out", tmp_path, code=code)
    assert said in done.err
    assert not list(tmp_path.iterdir())
