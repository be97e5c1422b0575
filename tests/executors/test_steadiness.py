"""A series of calls: its figure, its interval, and whether it was disturbed."""

import numpy as np
import pytest

from aios_plugins.onnxruntime.steadiness import Traces, lost_between, of_series


def test_a_constant_series_has_its_value_and_no_width():
    assert of_series([2.0] * 100) == (2.0, 2.0, 2.0, ())


def test_one_disturbed_part_in_five_moves_the_figure_little_and_is_told():
    series = [1.0] * 100
    series[40:60] = [3.0] * 20
    found = of_series(series)
    assert found.value == 1.0
    assert (found.low, found.high) == (1.0, 3.0)
    assert found.disturbed == ("its parts differ by 82%, more than its calls explain",)


def test_a_trend_is_told_with_its_size():
    # Twenty means of ten, from 1.005 to 1.195 around a median of 1.1: 0.19 / 1.1.
    found = of_series([1 + 0.2 * index / 199 for index in range(200)])
    assert found.disturbed[0] == "it changed by +17% from beginning to end"
    assert found.low < 1.01
    assert found.high > 1.19


def test_steady_noise_is_no_disturbance_and_its_interval_holds_the_median():
    held = told = 0
    for seed in range(200):
        found = of_series(np.random.default_rng(seed).normal(1.0, 0.1, 400).tolist())
        held += found.low <= 1.0 <= found.high
        told += bool(found.disturbed)
    assert held >= 160, "nine of ten are expected"
    assert told <= 4


def test_time_lost_to_others_widens_the_interval_downwards():
    found = of_series([1.0] * 100, 0.5, ["it waited"])
    assert found == (1.0, 0.5, 1.0, ("it waited",))


@pytest.fixture
def machine(tmp_path):
    """Writes what a kernel tells of itself and reads it."""

    def told(stat, heat=None, clock=None):
        files = {"proc/stat": f"cpu  {stat}\ncpu0 0\n"}
        if heat is not None:
            files["sys/class/thermal/thermal_zone0/temp"] = f"{heat}\n"
        if clock is not None:
            files["sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"] = f"{clock}\n"
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Traces.read(tmp_path)

    return told


def test_what_others_took_is_noted(machine):
    before = machine("100 0 0 900 0 0 0 0 0 0", 50000, 3000000)
    after = machine("150 0 0 940 0 0 0 10 0 0", 65000, 2400000)
    lost = lost_between(before, after, 0.2, 1.0)
    assert lost.share == pytest.approx(0.3)
    assert lost.conditions == {
        "steal": "10.0 %",
        "waited": "20.0 %",
        "temperature": "50 to 65 degC",
        "clock": "3.00 to 2.40 GHz",
    }
    assert lost.disturbed == (
        "the hypervisor gave 10% of the CPU time to others",
        "it waited for a core for 20% of the time: other programs ran",
        "the machine heated up by 15 K",
        "its clock fell to 80%",
    )


def test_a_machine_without_sensors_says_nothing_of_them(machine):
    before, after = machine("100 0 0 900 0 0 0 0"), machine("200 0 0 900 0 0 0 0")
    assert lost_between(before, after, 0.0, 1.0) == (0.0, {"steal": "0.0 %", "waited": "0.0 %"}, ())
