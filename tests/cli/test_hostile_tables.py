"""Measured tables, forms and places as they should not be: a clear refusal each, nothing half-written."""

import contextlib
import json
import math
import os
import re
import resource
import signal
import subprocess
import time

import pytest

from aios.cli.main import main
from aios.fidelity.keeping import read_calibration

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
  metrics:
    - {metric: throughput, column: rate, unit: /s, predictor: network}
    - {metric: latency.mean, column: ms, unit: ms, predictor: network}
"""
HEADER = "model,board,batch,gmacs,params_m,rate,ms"
DEVICE = "nvidia-t4"
ROWS = [
    f"{family}{size},{DEVICE},{batch},{size},{5 * size},{1000 * batch / (size + math.sqrt(batch)):.2f},{size + batch}"
    for family in ("ares", "bvgg", "cnext", "dvit")
    for size in (1, 2, 4)
    for batch in (1, 8)
]
SOUND = "\n".join([HEADER, *ROWS]) + "\n"
FAST = f"zfast,{DEVICE},1,1e6,5,1e12,1e-9"


@pytest.fixture
def folder(tmp_path):
    """A folder with the form and, as ``good/boards.csv``, a sound table."""
    place = tmp_path / "good"
    place.mkdir()
    (place / "boards.table.yaml").write_text(FORM)
    (place / "boards.csv").write_text(SOUND)
    return place


@pytest.fixture
def run(capsys):
    """Runs a command in this process; returns exit code, stdout and stderr without what it says while at work."""

    def command(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(item) for item in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, out, err

    return command


# Tables

BROKEN = {
    "boards_binary.csv": (b"\x7fELF" + bytes(500), "line 1 holds a zero byte"),
    "boards_comment.csv": (b"# nothing but this\n", "it is empty"),
    "boards_empty.csv": (b"", "it is empty"),
    "boards_field.csv": (
        f"{HEADER}\n{'x' * 200_000},{DEVICE},1,1,5,10,100\n".encode(),
        "field larger than field limit",
    ),
    "boards_header.csv": (f"{HEADER}\n".encode(), "it has no rows"),
    "boards_line.csv": (f"{HEADER}\n{'x' * 2**20},{DEVICE},1,1,5,10,100\n".encode(), "longer than any line"),
    "boards_latin.csv": (SOUND.replace("ares", "årés").encode("latin-1"), "is not UTF-8 text: byte 0xe5"),
    "boards_open.csv": (f'{HEADER}\nares1,"{DEVICE},1,1,5,10,100\n{SOUND}'.encode(), "none of its 1 rows has 7 cells"),
    "boards_short.csv": (
        "\n".join([HEADER, *(row.rpartition(",")[0] for row in ROWS)]).encode(),
        "none of its 24 rows has 7 cells, as many as the header",
    ),
    "boards_torn.csv.gz": (b"\x1f\x8b\x08" + bytes(30), "cannot be unpacked"),
    "boards_words.csv": (f"{HEADER}\nares1,{DEVICE},one,1,5,10 /s,ten\n".encode(), "none holds a number"),
}


def test_tables_that_are_none_are_named_with_the_reason_and_the_others_are_judged(folder, run, tmp_path):
    for name, (content, _) in BROKEN.items():
        (folder / name).write_bytes(content)
    (folder / "boards_folder.csv").mkdir()
    (folder / "boards_twice.csv").write_text("\n".join([f"{HEADER},ms", *(f"{row},1" for row in ROWS)]))
    (folder / "boards_without.csv").write_text("\n".join(line.rpartition(",")[0] for line in SOUND.splitlines()))
    report = tmp_path / "report.json"
    asked = ("--level", "calibrated", "--no-regret", "--json-into", report)
    code, out, _ = run("fidelity", "--data", folder, *asked)
    assert code == 0
    document = json.loads(report.read_text())
    reasons = {item["table"]: item["reason"] for item in document["skipped"]}
    assert set(reasons) == set(BROKEN)
    for name, (_, word) in BROKEN.items():
        assert word in reasons[name]
    rows = {(row["table"], row["metric"]): row for row in document["tables"]}
    assert rows["boards.csv", "latency.mean"]["rows"] == len(ROWS)
    for name, trouble in (("boards_without.csv", "not"), ("boards_twice.csv", "twice")):
        assert (name, "latency.mean") not in rows
        assert f"{name}: column `ms` {trouble} in its header: latency.mean of the form `boards` is not read" in out


def test_what_is_better_than_physics_allows_is_neither_judged_nor_learnt_from(folder, run, tmp_path):
    (folder / "boards.csv").write_text(SOUND + FAST + "\n")
    code, out, _ = run("calibrate", "--device", DEVICE, "--table", folder / "boards.csv", "--out", tmp_path / "out")
    assert code == 0
    line = len(ROWS) + 2
    assert re.search(rf"suspicious: boards.csv:{line}: throughput \S+/s of \S+; more than \S+ cannot be true", out)
    learnt = [read_calibration(path.read_bytes(), "x") for path in (tmp_path / "out").iterdir()]
    assert [sum(entry.rows for entry in item.provenance) for item in learnt] == [len(ROWS)] * 2


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        (", unit: 1e9", "", "`spec.numbers.macs.unit` is missing"),
        ("unit: 1e9", "unit: gigafurlong", "`gigafurlong` is no unit here"),
        ("column: gmacs", "column: gmax", "column `gmax` of the form `boards` is missing"),
        ("predictor: network", "predictor: netwrk", "did you mean `network`?"),
        ("metric: throughput", "metric: througput", "did you mean `throughput`?"),
        ("model: model", "modle: model", "unknown role of a column of words `modle`"),
        ("kind: Table", "kind: Tabel", "did you mean `Table`?"),
        (FORM, "", "is empty"),
        (FORM, "\x00\x01", "boards.table.yaml:1:1"),
    ],
)
def test_forms_that_cannot_be_followed(folder, run, wrong, right, said):
    (folder / "boards.table.yaml").write_text(FORM.replace(wrong, right))
    code, out, err = run("fidelity", "--data", folder, "--level", "zero-shot", "--no-regret")
    assert code == 1
    assert said in out + err


# Places


def test_places_that_cannot_be_written_are_told_before_the_work(folder, run, tmp_path):
    (tmp_path / "file").write_text("")
    learn = ("calibrate", "--device", DEVICE, "--table", folder / "boards.csv")
    judge = ("fidelity", "--data", folder)
    for arguments, reason in (
        ((*learn, "--out", tmp_path / "file"), "Not a directory"),
        ((*learn, "--out", tmp_path / "file" / "below"), "Not a directory"),
        ((*learn, "--out", tmp_path / "out", "--json-into", tmp_path), "Is a directory"),
        ((*judge, "--json-into", folder), "Is a directory"),
        ((*judge, "--json-into", tmp_path / "file" / "x.json"), "Not a directory"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (6, "")
        assert f"because {reason}" in err
        assert "remedy" in err
        assert "reading" not in err, "that would be too late"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "good"]


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_that_may_not_be_written(folder, run, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    code, _, err = run("calibrate", "--device", DEVICE, "--table", folder / "boards.csv", "--out", out)
    assert code == 6
    assert "Permission denied" in err


def test_a_disk_that_is_full_leaves_no_part_of_a_calibration(aios, folder):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))

    command = [aios.command, "calibrate", "--device", DEVICE, "--table", str(folder / "boards.csv"), "--out", "out"]
    ran = subprocess.run(command, cwd=aios.place, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert ran.returncode == 6, ran.stderr
    assert "cannot write out/network-" in ran.stderr
    assert "because File too large" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list((aios.place / "out").iterdir()) == []


def test_folders_and_files_in_each_others_place(folder, run, tmp_path):
    for arguments, said in (
        (("calibrate", "--device", DEVICE, "--table", tmp_path / "none.csv"), "there is no folder"),
        (("calibrate", "--data", folder / "boards.table.yaml"), "nothing can be learnt"),
        (("fidelity", "--data", "/dev/null"), "there is no folder /dev/null"),
        (("fidelity", "--data", folder, "--against", folder), "cannot be read: Is a directory"),
    ):
        code, _, err = run(*arguments, *(("--out", tmp_path / "out") if arguments[0] == "calibrate" else ()))
        assert code == 1, err
        assert said in err
    assert not (tmp_path / "out").exists()


def test_a_predictor_that_does_not_exist(folder, run, tmp_path):
    learn = ("calibrate", "--data", folder, "--out", tmp_path / "out", "--predictor", "netwrk")
    for arguments in (learn, ("fidelity", "--data", folder, "--predictor", "netwrk")):
        code, _, err = run(*arguments)
        assert code == 64
        assert "there is no predictor `netwrk`" in err
        assert "did you mean `network`?" in err


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_while_learning_nothing_is_half_written(aios, folder, number, code):
    """The first file is there when the signal comes, and the rest is still to be learnt."""
    out = aios.place / "out"
    process = aios.start("calibrate", "--data", str(folder), "--out", str(out))
    until = time.monotonic() + 60
    while not list(out.glob("*.yaml")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
    said = process.stderr.read()
    assert process.wait(30) in (code, 0), said  # it may have been about to end by itself
    assert "Traceback" not in said
    files = list(out.glob("*.yaml"))
    assert files
    for path in files:
        assert read_calibration(path.read_bytes(), str(path)) is not None
    if number != signal.SIGKILL:
        assert [path.name for path in out.iterdir() if path.suffix != ".yaml"] == []
