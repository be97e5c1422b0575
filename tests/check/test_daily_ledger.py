"""The checker sees every hour in which too much runs, too little, or other than was said."""

import pytest

from aios.check import audit
from aios.records.candidate import Period
from aios.records.intent import Load

DAY = tuple(range(8, 20))
NIGHT = tuple(hour for hour in range(24) if hour not in DAY)
HOURLY = tuple(3 if hour in DAY else 1 for hour in range(24))


def asked(make):
    rates = tuple(float(count) for count in HOURLY)
    return make.intent("a", require={"latency.p99": 0.1}, goals=(), load=Load(rate_per_s=3.0, hourly_per_s=rates))


def told(make, replicas, latency):
    named = {"power": 10.0 * replicas, "latency.p99": latency, "throughput": float(replicas)}
    return {name: make.estimate(name, value) for name, value in named.items()}


@pytest.fixture
def selection(make):
    """One of three replicas runs by night."""
    option = make.option(
        "a/1",
        {"power": 20.0, "latency.p99": 0.08, "throughput": 3.0},
        device="gpu",
        nodes=("hall",),
        replicas=3,
        share=1.0,
    )
    periods = (
        Period(hours=NIGHT, rate_per_s=1.0, replicas=1, estimates=told(make, 1, 0.05)),
        Period(hours=DAY, rate_per_s=3.0, replicas=3, estimates=told(make, 3, 0.08)),
    )
    option = option.model_copy(update={"periods": periods})
    hall = make.node("hall", {"gpu": 3})
    found = make.selection({"a": option}, {"a": (option, [(hall, "hall", (str(k),)) for k in range(3)], [1] * 3)})
    rest = tuple(count // 3 for count in HOURLY)
    first, *others = found.placement["a"]
    placed = (first, *(part.model_copy(update={"hourly": rest}) for part in others))
    return found.model_copy(update={"placement": {"a": placed}})


def broken(make, selection, fleet=None):
    ledger = audit([asked(make)], selection, fleet or make.fleet(make.node("hall", {"gpu": 3})))
    return {row.clause.id for row in ledger.rows if not row.holds}


def changed(selection, **update):
    return selection.model_copy(update={"chosen": {"a": selection.chosen["a"].model_copy(update=update)}})


def with_period(selection, place, **update):
    periods = list(selection.chosen["a"].periods)
    periods[place] = periods[place].model_copy(update=update)
    return changed(selection, periods=tuple(periods))


def test_what_was_planned_holds(make, selection):
    assert not broken(make, selection)


def test_one_replica_too_few_in_an_hour(make, selection):
    first, second, third = selection.placement["a"]
    hourly = tuple(0 if hour == 9 else count for hour, count in enumerate(second.hourly))
    less = (first, second.model_copy(update={"hourly": hourly}), third)
    found = broken(make, selection.model_copy(update={"placement": {"a": less}}))
    assert {"a/08:00/replicas"} <= found


def test_what_runs_by_night_must_stay_by_day(make, selection):
    first, second, third = selection.placement["a"]
    other = tuple(int(hour not in DAY) for hour in range(24))
    moved = (first.model_copy(update={"hourly": other}), second.model_copy(update={"hourly": ()}), third)
    assert "a/stays" in broken(make, selection.model_copy(update={"placement": {"a": moved}}))


@pytest.mark.parametrize(
    ("place", "update", "wrong"),
    [
        (0, {"rate_per_s": 0.5}, "a/00:00/rate"),
        (0, {"hours": NIGHT[1:]}, "a/hours"),
        (0, {"hours": (*NIGHT, 9)}, "a/hours"),
        (1, {"replicas": 4}, "a/08:00/replicas"),
        (0, {"replicas": 0}, "a/00:00/replicas"),
    ],
)
def test_periods_are_those_of_the_load(make, selection, place, update, wrong):
    assert wrong in broken(make, with_period(selection, place, **update))


def test_every_hour_keeps_what_is_required(make, selection):
    slow = with_period(selection, 0, estimates=told(make, 1, 0.2))
    assert {"a/latency.p99@00:00", "a/day/latency.p99"} <= broken(make, slow)


def test_the_day_is_the_mean_of_its_hours(make, selection):
    estimates = {**selection.chosen["a"].estimates, "power": make.estimate("power", 19.9)}
    assert "a/day/power" in broken(make, changed(selection, estimates=estimates))


def test_a_device_that_is_full_in_one_hour_alone(make, selection):
    first, second, third = selection.placement["a"]
    piled = (first, second.model_copy(update={"devices": ("0",)}), third)
    found = broken(make, selection.model_copy(update={"placement": {"a": piled}}))
    assert found == {"capacity/hall/gpu/0/share@08:00"}


def test_a_cap_of_the_hour(make, selection):
    caps = tuple(25.0 if hour in DAY else 12.0 for hour in range(24))
    found = broken(make, selection, make.fleet(make.node("hall", {"gpu": 3}, power_cap_w=caps)))
    assert found == {f"capacity/hall/power@{hour:02}:00" for hour in DAY}
