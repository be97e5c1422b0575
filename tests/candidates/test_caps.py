"""Which power limits are tried."""

import pytest

from aios.candidates.caps import caps_of
from aios.candidates.modes import modes_of
from aios.cost.power import slowed
from aios.records.fleet import DeviceType, Fact, PowerMode
from aios.records.intent import Goal, Intent


def watts(value: float) -> Fact:
    return Fact(value=value, unit="W")


def card(low: float | None, high: float | None, *modes: str) -> DeviceType:
    return DeviceType(
        name="card",
        kind="gpu",
        tdp_w=watts(high or 300.0),
        idle_w=watts(30.0),
        cap_low_w=None if low is None else watts(low),
        cap_high_w=None if high is None else watts(high),
        power_modes=tuple(PowerMode(name=mode, cap_w=watts(float(mode[:-1]))) for mode in modes),
    )


def test_caps_are_whole_steps_below_the_highest_limit_and_none_comes_first() -> None:
    assert caps_of(card(100.0, 300.0)) == (None, "240W", "195W", "150W")
    assert caps_of(card(200.0, 700.0)) == (None, "560W", "455W", "350W")


def test_no_cap_below_what_the_device_lets_one_set() -> None:
    assert caps_of(card(200.0, 300.0)) == (None, "240W")
    assert caps_of(card(300.0, 300.0)) == (None,)


def test_a_device_without_a_range_or_with_modes_of_its_own_has_no_caps() -> None:
    assert caps_of(card(None, None)) == (None,)
    assert caps_of(card(100.0, 300.0, "150W", "300W")) == (None,)


def test_small_devices_have_no_cap_twice() -> None:
    caps = caps_of(card(1.0, 20.0))
    assert len(caps) == len(set(caps))


@pytest.mark.parametrize(("busy", "clocked"), [(0.9, 1.0), (0.9, 0.3), (0.2, 1.0)])
def test_a_lower_cap_is_slower_and_more_so_the_more_goes_with_the_clock(busy: float, clocked: float) -> None:
    from aios.records.candidate import Candidate

    device = card(100.0, 300.0)
    times = [
        slowed(Candidate.model_construct(power_mode=mode), device, busy, clocked) for mode in (None, "255W", "165W")
    ]
    assert times[0] == 1.0
    assert times == sorted(times)
    assert times[-1] <= slowed(Candidate.model_construct(power_mode="165W"), device, 0.9, 1.0)
    if busy < 0.3:
        assert times[-1] < 1.02


def test_limits_are_tried_where_an_intent_asks_for_watts(intent: Intent) -> None:
    device = card(100.0, 300.0)
    for metric, modes in (("power", 4), ("energy", 4), ("carbon", 4), ("cost", 1)):
        wanted = intent.model_copy(update={"goal": (Goal(direction="minimize", metric=metric),), "require": ()})
        assert len(modes_of(device, wanted)) == modes, metric
    asked = intent.model_copy(update={"goal": (Goal(direction="minimize", metric="power"),)})
    assert modes_of(card(100.0, 300.0, "150W", "300W"), asked) == ("150W", "300W")
    assert modes_of(device.model_copy(update={"kind": "cpu"}), asked) == (None,)
