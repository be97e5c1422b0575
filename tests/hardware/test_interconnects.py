"""The shipped kinds of interconnects, and what a wrong file of them is answered with."""

from pathlib import Path

import pytest
import yaml

from aios import catalogue
from aios.fleet.interconnects import load_interconnects
from aios.records.errors import InputError

FILE = catalogue.root() / "hardware" / "interconnects.yaml"
KINDS = load_interconnects(FILE)


def test_every_fact_has_a_provenance() -> None:
    for kind in KINDS.values():
        for fact in (kind.bandwidth_bytes_per_s, kind.latency_s, kind.efficiency):
            if fact is not None:
                assert None not in (fact.trust, fact.ref, fact.as_of), kind.name
        for item in kind.calibrations:
            assert None not in (item.ref, item.as_of, item.error), kind.name


def test_facts_and_constants_are_of_this_world() -> None:
    for kind in KINDS.values():
        if kind.bandwidth_bytes_per_s:
            assert 0.1e9 <= kind.bandwidth_bytes_per_s.value <= 1e12, kind.name
        if kind.latency_s:
            assert 50e-9 <= kind.latency_s.value <= 100e-6, kind.name
        for item in kind.calibrations:
            assert max(item.start_s, item.hop_s, item.bulk_start_s) <= 100e-6, kind.name
            assert 0 < min(item.quick_share, item.bulk_share) <= max(item.quick_share, item.bulk_share) <= 1, kind.name
            assert item.kernels == "direct" or item.quick_share <= item.bulk_share, kind.name
            widest = 30 if kind.name.endswith("-unstated") else 10
            assert item.low < 1 < item.high <= widest, kind.name


def test_later_generations_are_no_slower() -> None:
    for family in (
        ("nvlink1", "nvlink2", "nvlink3", "nvlink4", "nvlink5"),
        ("pcie3-x16", "pcie4-x16", "pcie5-x16"),
        ("pcie3-x8", "pcie4-x8", "pcie5-x8"),
        ("infiniband-edr", "infiniband-hdr", "infiniband-ndr", "infiniband-xdr"),
        ("ethernet-1g", "ethernet-10g", "ethernet-25g", "ethernet-100g", "ethernet-200g", "ethernet-400g"),
        ("xgmi1", "xgmi2", "xgmi3", "xgmi4"),
    ):
        rates = [fact.value for name in family if (fact := KINDS[name].bandwidth_bytes_per_s) is not None]
        assert len(rates) == len(family)
        assert rates == sorted(rates)


def test_no_calibration_stands_twice() -> None:
    for kind in KINDS.values():
        names = [(item.library, item.kernels) for item in kind.calibrations]
        assert len(names) == len(set(names)), kind.name


def test_every_interconnect_of_the_catalogue_is_known() -> None:
    named = {
        item["kind"]
        for path in FILE.parent.glob("*/*.yaml")
        for item in (yaml.safe_load(path.read_text()).get("interconnects") or ())
    }
    assert named <= set(KINDS)


def test_what_is_like_another_takes_its_calibrations_as_assumed() -> None:
    (ring, *_), (own, *_) = KINDS["nvlink2"].calibrations, KINDS["nvlink3"].calibrations
    assert (ring.source, own.source) == ("assumed", "calibrated")
    assert (ring.hop_s, ring.bulk_share) == (own.hop_s, own.bulk_share)
    assert ring.low < own.low < own.high < ring.high
    assert all(item.kernels != "direct" and item.in_switch_share is None for item in KINDS["nvlink2"].calibrations)


def test_a_kind_keeps_its_own_calibration_and_takes_only_what_it_lacks() -> None:
    found = {(item.library, item.kernels): item.source for item in KINDS["pcie5-x8"].calibrations}
    assert found[("oneccl", "ring")] == "calibrated"
    assert found[("nccl", "ring")] == "assumed"


CALIBRATION = """{library: nccl, kernels: ring, start: 1 us, hop: 1 us, quick: 20 %, bulk_start: 0 us, bulk: 70 %,
      low: 0.8, high: 1.2, ref: by hand, as_of: "2026", error: none}"""


def test_all_mistakes_of_a_file_are_reported_at_once_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "interconnects.yaml"
    path.write_text(
        f"interconnects:\n  - name: fast1\n    calibrations: [{CALIBRATION}]\n"
        "  - name: fast2\n    like: fast\n  - name: fast1\n"
    )
    with pytest.raises(InputError) as caught:
        load_interconnects(path)
    shown = [(item.where.line if item.where else None, item.summary) for item in caught.value.diagnostics]
    assert [line for line, _ in shown] == [6, 7]
    assert "did you mean `fast1`" in (caught.value.diagnostics[0].remedy or "")
    assert "twice" in shown[1][1]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("interconnects: [{name: a, bandwidth: 5}]", "unit"),
        ("interconnects: [{name: a, bandwidth: -5 GB/s}]", "negative"),
        ("interconnects: [{name: a, speed: 5 GB/s}]", "speed"),
        ("interconnects: [{name: a, efficiency: 170 %}]", "more than"),
        (f"interconnects:\n  - name: a\n    calibrations: [{CALIBRATION.replace('low: 0.8', 'low: 1.4')}]", "low"),
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "interconnects.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_interconnects(path)
    said = " ".join(f"{item.summary} {item.reason or ''} {item.line_text or ''}" for item in caught.value.diagnostics)
    assert wrong in said


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_interconnects(tmp_path / "none.yaml")
