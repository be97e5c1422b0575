"""The ledger of errors: appended whole, read once, never mixed up by a crash."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from aios.records.errors import InputError
from aios.records.ledger import LedgerEntry
from aios.records.measurement import Measured
from aios.state import Ledger


def entry(threads=1, predicted=2.0, device="cpu-x"):
    measured = Measured(value=1.0, low=0.9, high=1.1, unit="s", n=5, meter="clock")
    return LedgerEntry(
        by="profile", model="m", model_digest="sha256:0", device=device, executor="onnxruntime", engine="onnxruntime 1",
        precision="fp32", threads=threads, batch=1, metric="time", predicted=predicted, low=1.0, high=3.0,
        source="analytic", basis="roofline", measured=measured, at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def test_what_is_appended_is_read_in_order(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([entry(1), entry(2)])
    ledger.append([entry(3)])
    assert [item.threads for item in ledger.load()] == [1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["cpu-x--onnxruntime.jsonl"]


def test_the_same_line_of_two_branches_counts_once(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([entry(1)])
    path = ledger.path_of(entry(1))
    path.write_bytes(path.read_bytes() * 2)
    assert len(ledger.load()) == 1


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_what_a_crash_tore_off_is_left_out_and_cut_before_the_next_line(tmp_path, cut):
    ledger = Ledger(tmp_path)
    ledger.append([entry(1), entry(2)])
    path = ledger.path_of(entry(1))
    path.write_bytes(path.read_bytes()[:-cut])
    assert [item.threads for item in ledger.load()] == [1]
    ledger.append([entry(3)])
    assert [item.threads for item in ledger.load()] == [1, 3]


def test_appending_reads_no_more_of_a_long_ledger_than_of_a_short_one(tmp_path, monkeypatch):
    ledger, read = Ledger(tmp_path), []
    ledger.append([entry(1)])
    path = ledger.path_of(entry(1))
    path.write_bytes(path.read_bytes() * 2000)
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *asked: read.append(asked[1]) or pread(*asked))
    monkeypatch.setattr("aios.state.ledger.read_bytes", None)
    ledger.append([entry(2)])
    assert path.stat().st_size > 500_000
    assert 0 < sum(read) < 10_000
    monkeypatch.undo()
    assert [item.threads for item in ledger.load()] == [1, 2]


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_a_torn_line_of_any_length_is_cut(tmp_path, whole):
    ledger = Ledger(tmp_path)
    for number in range(whole):
        ledger.append([entry(number + 1)])
    path = ledger.path_of(entry(1))
    with path.open("ab") as torn:
        torn.write(b"x" * 10_000)
    ledger.append([entry(9)])
    assert [item.threads for item in ledger.load()] == [*range(1, whole + 1), 9]
    assert path.read_bytes().count(b"\n") == whole + 1


def test_two_writers_lose_nothing_of_each_others(tmp_path):
    each = 50
    with ProcessPoolExecutor(2, get_context("spawn")) as both:
        list(both.map(_append_many, [tmp_path] * 2, [0, each], [each] * 2))
    assert sorted(item.threads for item in Ledger(tmp_path).load()) == list(range(2 * each))


def _append_many(folder, first, count):
    for number in range(first, first + count):
        Ledger(folder).append([entry(number)])


def test_a_damaged_line_is_named_with_its_number(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([entry(1)])
    path = ledger.path_of(entry(1))
    path.write_bytes(path.read_bytes() + b'{"by": "profile"}\n')
    with pytest.raises(InputError, match=r"cpu-x--onnxruntime\.jsonl:2 is no entry"):
        ledger.load()


def test_a_device_with_a_hostile_name_stays_below_the_folder(tmp_path):
    path = Ledger(tmp_path).path_of(entry(device="../../etc/x"))
    assert path.parent == tmp_path
