"""Energy that a meter saw, and the idle power beside it: rivals that nobody measured get the same, by hand."""

import pytest

from aios.cost.interval import Interval
from aios.cost.power import beside, power_of
from aios.records.fleet import DeviceType, Fact
from aios.records.measurement import Measured

ALWAYS = Interval(1.0, 1.0, 1.0)


def watts(value):
    return Fact(value=value, unit="W")


def device(tdp=40.0, idle=None):
    return DeviceType(
        name="cpu", kind="cpu", cores=4, tdp_w=tdp and watts(tdp), idle_w=None if idle is None else watts(idle)
    )


def metered(joules, scope):
    return Measured(value=joules, low=joules, high=joules, unit="J", n=100, meter="a meter", scope=scope)


def power(candidate, kind, share, rate, joules=0.2, scope="processes", source="measured"):
    return power_of(candidate, kind, share, ALWAYS.times(rate), ALWAYS, metered(joules, scope), source)


def test_stated_idle_power_is_added_to_what_the_work_drew(candidate):
    found = power(candidate, device(idle=8.0), 0.5, 20.0)
    assert found.watts == pytest.approx((8.0, 8.0, 8.0))  # 8 W idle x half of the cores, and 0.2 J x 20/s
    assert found.source == "measured"


def test_unknown_idle_power_is_assumed_beside_measured_work_as_for_rivals(candidate):
    """4 W of 40 are a tenth of the device, idle power and all; of the other 0.4 of the share 10 to 45 % rest."""
    found = power(candidate, device(), 0.5, 20.0)
    assert found.watts == pytest.approx((4 + 0.1 * 40 * 0.4, 4 + 0.25 * 40 * 0.4, 4 + 0.45 * 40 * 0.4))
    assert found.source == "assumed"
    assert "assumed 10 to 45 % of 40 W, expected 25 %" in found.basis
    rival = power_of(candidate, device(), 0.5, ALWAYS, ALWAYS.times(0.2), None, "measured", 1.0)
    assert rival.watts.value == pytest.approx(found.watts.value), (
        "a core that works a fifth of its time at all it draws"
    )
    assert power(candidate, device(), 1.0, 20.0).watts.value == pytest.approx(4 + 0.25 * 40 * 0.9), "a replica more"


def test_work_without_end_draws_no_more_than_the_device(candidate):
    assert power(candidate, device(), 1.0, 200.0).watts == pytest.approx((40.0, 40.0, 40.0))


def test_a_meter_of_the_whole_device_has_idle_power_in_its_figure(candidate):
    """24 W of the package are what it draws; 4 W are less than its idle power, so that the meter saw a shorter time."""
    assert power(candidate, device(), 1.0, 120.0, scope="package").watts == pytest.approx((24.0, 24.0, 24.0))
    assert power(candidate, device(), 1.0, 20.0, scope="package").watts == pytest.approx((4.0, 10.0, 18.0))


def test_what_nobody_can_assume_is_as_the_meter_saw_it(candidate):
    found = power(candidate, device(tdp=None), 1.0, 20.0)
    assert found.watts == pytest.approx((4.0, 4.0, 4.0))
    assert found.source == "measured"
    assert "as far as the meter saw it" in found.basis


def test_profiles_of_before_tell_no_scope_and_count_as_of_processes():
    seen = ALWAYS.times(4.0)
    assert beside(device(), None, 0.5, seen, None) == beside(device(), None, 0.5, seen, "processes")
    assert "scope" not in metered(1.0, None).model_dump()
    assert metered(1.0, "processes").model_dump()["scope"] == "processes"
