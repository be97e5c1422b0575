"""A measurement says when others were running, and an incredible one is not used."""

from pathlib import Path

import pytest

from aios.records.fleet import Fact
from aios_plugins.cpu import Probe, peaks
from aios_plugins.cpu.busy import Snapshot, snapshot, why_busy
from aios_plugins.cpu.cpuinfo import parse_cpuinfo
from aios_plugins.cpu.host import Frequency

ZEN_5 = parse_cpuinfo((Path(__file__).parent / "data/cpuinfo-amd-epyc-zen5-kvm.txt").read_text())
CLOCK = Frequency(hz=2.5e9, how="test")


def _proc(root: Path, load: str, stat: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc/loadavg").write_text(load)
    (root / "proc/stat").write_text(stat)
    return root


def _rate(value: float) -> Fact:
    return Fact(value=value, unit="FLOP/s", source="measured", ref="test")


def test_the_kernels_counters_are_read(tmp_path):
    root = _proc(
        tmp_path, "5.80 4.10 2.45 4/115 29411\n", "cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 2 3 4 5 6 7 8\n"
    )
    assert snapshot(root) == Snapshot(load=5.8, steal_ticks=80, total_ticks=360)


@pytest.mark.parametrize(
    ("load", "stat"), [("", ""), ("nan nan\n", "cpu 1 2\n"), ("-1.0 0\n", "cpu  1 2 3 4 5 6 7 x\n")]
)
def test_counters_that_are_not_told_are_unknown(tmp_path, load, stat):
    assert snapshot(_proc(tmp_path, load, stat)) == Snapshot()


def test_this_machine_tells_its_load():
    assert snapshot().load is not None


@pytest.mark.parametrize(
    ("load", "steal", "spread", "signs"),
    [
        (0.2, 0, 1.1, None),
        (0.99, 9, 1.9, None),
        (5.8, 0, 1.1, "load 5.8"),
        (0.2, 12, 1.1, "steal 12 %"),
        (0.2, 0, 3.4, "passes 3.4 times slower than the best"),
        (5.8, 12, 3.4, "load 5.8, steal 12 %, passes 3.4 times slower than the best"),
    ],
)
def test_each_sign_of_others_is_told(load, steal, spread, signs):
    before = Snapshot(load=load, steal_ticks=7, total_ticks=1000)
    after = Snapshot(load=9.9, steal_ticks=7 + steal, total_ticks=1100)
    assert why_busy(before, after, 2, spread) == signs


def test_without_counters_only_the_passes_tell():
    assert why_busy(Snapshot(), Snapshot(), 2, 1.0) is None
    assert why_busy(Snapshot(), Snapshot(), 2, 2.0) == "passes 2.0 times slower than the best"


def test_an_incredible_rate_of_a_busy_machine_is_replaced():
    facts = peaks(ZEN_5, 2, CLOCK, _rate(1.6e9), busy=True)
    assert facts["fp32"].value == 2 * 2.5e9 * 64
    assert {fact.source for fact in facts.values()} == {"analytic"}
    assert all("1.6 GFLOP/s measured while the machine was busy" in fact.ref for fact in facts.values())
    assert {name: fact.value for name, fact in facts.items()} == {
        name: fact.value for name, fact in peaks(ZEN_5, 2, CLOCK, None).items()
    }


@pytest.mark.parametrize(
    ("rate", "clock", "busy"),
    [
        (1.6e9, CLOCK, False),  # slow, but nothing else was running
        (0.1 * 2 * 2.5e9 * 64, CLOCK, True),  # a tenth may be true
        (1.6e9, None, True),  # nothing to compare with
    ],
)
def test_every_other_measured_rate_is_kept(rate, clock, busy):
    assert peaks(ZEN_5, 2, clock, _rate(rate), busy=busy)["fp32"] == _rate(rate)


def test_a_busy_machine_says_so_and_what_to_do(tmp_path):
    discovery = Probe(_proc(tmp_path, "99999.00 1.00 1.00 1/1 1\n", "")).discover(measure=True)
    (sentence,) = [sentence for sentence in discovery.seen if "busy" in sentence]
    assert sentence.startswith("this machine was busy while it was measured (load 99999.0")
    assert "measure again when it is idle, with `aios init --force`" in sentence
