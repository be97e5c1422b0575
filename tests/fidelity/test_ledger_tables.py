"""Error tables of the ledger, by hand."""

import pytest

from aios.fidelity import error_rows
from aios.records.ledger import LedgerEntry
from aios.records.measurement import Measured


def entry(predicted, measured, model="m", correction=None, low=0.9, high=1.1, without=None):
    number = Measured(value=measured, low=measured, high=measured, unit="s", n=1, meter="clock")
    return LedgerEntry(
        by="verify", model=model, model_digest="sha256:0", device="d", executor="e", engine="e 1", precision="fp32",
        threads=1, batch=1, metric="latency.p99", predicted=predicted, low=low, high=high, source="calibrated",
        basis="b", correction=correction, without=without, measured=number, at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def test_errors_are_those_of_hand():
    # predicted / measured - 1 = -0.5, 0, +0.25; the measured 2.0 and 0.8 lie outside of 0.9 .. 1.1
    (row,) = error_rows([entry(1.0, 2.0), entry(1.0, 1.0), entry(1.0, 0.8)], ["model"])
    assert (row.n, row.median, row.bias) == (3, 0.25, 0.0)
    assert row.p90 == pytest.approx(0.25 + 0.8 * 0.25)
    assert row.coverage == pytest.approx(1 / 3)


def test_predictions_with_and_without_a_correction_stand_apart():
    rows = error_rows([entry(1.0, 2.0), entry(2.0, 2.0, correction="sha256:1")], ["model"])
    assert [(row.correction, row.median) for row in rows] == [("none", 0.5), ("with", 0.0)]
    assert len({row.label for row in rows}) == 2


def test_what_a_correction_gained_is_told_of_the_same_entries():
    corrected = [entry(2.0, 2.0, correction="sha256:1", without=(0.5, 1.0, 1.5)) for _ in range(2)]
    rows = error_rows([entry(1.0, 4.0), *corrected], ["model"])
    assert [(row.correction, row.n, row.median) for row in rows] == [
        ("none", 1, 0.75), ("with", 2, 0.0), ("without", 2, 0.5),
    ]  # fmt: skip
    assert [row.coverage for row in rows] == [0.0, 0.0, 0.0]


def test_groups_are_as_asked_for():
    entries = [entry(1.0, 1.0, "a"), entry(1.0, 1.0, "b"), entry(1.0, 1.0, "b")]
    assert [(row.group["model"], row.n) for row in error_rows(entries, ["model"])] == [("a", 1), ("b", 2)]
    assert [row.n for row in error_rows(entries, ["metric"])] == [3]


def test_what_was_measured_as_nothing_has_no_relative_error():
    assert error_rows([entry(1.0, 0.0)], ["model"]) == ()
