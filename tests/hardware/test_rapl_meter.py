"""The RAPL meter on files such as Linux shows them."""

import os
import time
from pathlib import Path

import pytest

from aios.records.fleet import DeviceType
from aios_plugins.rapl import Meter

CPU = DeviceType(name="c", kind="cpu")


def _zone(root: Path, number: int, name: str, energy_uj: int, range_uj: int = 262143328850) -> Path:
    zone = root / f"sys/class/powercap/intel-rapl:{number}"
    zone.mkdir(parents=True)
    (zone / "name").write_text(f"{name}\n")
    (zone / "energy_uj").write_text(f"{energy_uj}\n")
    (zone / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return zone / "energy_uj"


def test_packages_are_summed_and_other_zones_left_out(tmp_path):
    first, second = _zone(tmp_path, 0, "package-0", 1_000_000), _zone(tmp_path, 1, "package-1", 0)
    psys = _zone(tmp_path, 2, "psys", 0)
    meter = Meter(tmp_path)
    assert meter.can(CPU) is None
    window = meter.begin(CPU, [])
    first.write_text("3500000\n")
    second.write_text("500000\n")
    psys.write_text("99000000\n")
    reading = window.end()
    assert reading.energy_j == pytest.approx(3.0)
    assert (reading.scope, reading.derived) == ("package", False)


def test_a_counter_that_wraps_goes_on(tmp_path):
    counter = _zone(tmp_path, 0, "package-0", 9_000_000, range_uj=10_000_000)
    window = Meter(tmp_path).begin(CPU, [])
    counter.write_text("500000\n")
    assert window.end().energy_j == pytest.approx(1.5)


def test_long_windows_are_polled_so_that_every_wrap_is_seen(tmp_path):
    counter = _zone(tmp_path, 0, "package-0", 0, range_uj=10_000_000)
    window = Meter(tmp_path, poll_seconds=0.01).begin(CPU, [])
    for value in (6_000_000, 2_000_000, 8_000_000, 4_000_000):  # 6, then 6 over the edge, 6, 6 over the edge
        replacement = counter.with_name("next")
        replacement.write_text(f"{value}\n")
        replacement.replace(counter)
        time.sleep(0.15)
    assert window.end().energy_j == pytest.approx(24.0)


def test_a_counter_that_fails_gives_no_energy(tmp_path):
    counter = _zone(tmp_path, 0, "package-0", 0)
    window = Meter(tmp_path).begin(CPU, [])
    counter.unlink()
    assert window.end().energy_j is None


def test_refusals_say_why(tmp_path):
    assert "gpu" in Meter(tmp_path).can(DeviceType(name="g", kind="gpu")).reason
    assert "virtual machines" in Meter(tmp_path).can(CPU).reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_for_root_alone_is_refused_with_the_way_out(tmp_path):
    _zone(tmp_path, 0, "package-0", 0).chmod(0)
    refusal = Meter(tmp_path).can(CPU)
    assert "permission denied" in refusal.reason
    assert refusal.resolvable.startswith("sudo chmod")


def test_a_counter_that_cannot_be_read_is_refused(tmp_path):
    counter = _zone(tmp_path, 0, "package-0", 0)
    counter.unlink()
    counter.mkdir()
    assert "cannot be read" in Meter(tmp_path).can(CPU).reason
