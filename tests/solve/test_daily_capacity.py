"""Replicas that follow the hour: machines are shared by those that run at the same time, as trying everything finds."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.check import audit, fits_at_once
from aios.records.candidate import Period
from aios.records.intent import Load
from aios.solve import Limits, choose

DAY = tuple(range(8, 20))
NIGHT = tuple(hour for hour in range(24) if hour not in DAY)


def load(day, night):
    hourly = tuple(float(day if hour in DAY else night) for hour in range(24))
    return Load(rate_per_s=max(hourly), hourly_per_s=hourly)


def service(make, name, day, night, **more):
    return make.intent(name, load=load(day, night), goals=("minimize power",), **more)


def option(make, id, day, night, watts=10.0, **more):
    """An option of which so many replicas run by day and by night, at ``watts`` each and one request per second."""
    most = max(day, night)
    mean = (len(DAY) * day + len(NIGHT) * night) * watts / 24
    found = make.option(
        id, {"power": mean, "throughput": float(most)}, device="gpu", nodes=("hall",), replicas=most, share=1.0, **more
    )
    parts = sorted([(day, DAY), (night, NIGHT)], key=lambda item: item[0])
    periods = tuple(
        Period(
            hours=hours,
            rate_per_s=float(count),
            replicas=count,
            estimates={
                "power": make.estimate("power", watts * count),
                "throughput": make.estimate("throughput", float(count)),
            },
        )
        for count, hours in parts
    )
    return found.model_copy(update={"periods": periods})


def planned(make, asked, fleet):
    intents = [service(make, name, *rates) for name, (rates, _) in asked.items()]
    options = {name: own for name, (_, own) in asked.items()}
    found = choose(intents, options, fleet, Limits())
    assert found == choose(intents[::-1], {name: own[::-1] for name, own in options.items()}, fleet, Limits())
    ledger = audit(intents, found, fleet)
    assert ledger.holds, [row.clause.text for row in ledger.rows if not row.holds]
    return found, intents


def running(found, name, hour):
    return sum(part.running(hour) for part in found.placement[name])


def test_opposite_peaks_share_machines(make):
    fleet = make.fleet(make.node("hall", {"gpu": 1}, count=4))
    asked = {"a": ((3, 1), [option(make, "a/1", 3, 1)]), "b": ((1, 3), [option(make, "b/1", 1, 3)])}
    found, intents = planned(make, asked, fleet)
    assert [running(found, "a", hour) for hour in (0, 12)] == [1, 3]
    assert [running(found, "b", hour) for hour in (0, 12)] == [3, 1]
    assert not fits_at_once(intents, found, fleet)


def test_equal_peaks_do_not(make):
    fleet = make.fleet(make.node("hall", {"gpu": 1}, count=5))
    asked = {"a": ((3, 1), [option(make, "a/1", 3, 1)]), "b": ((3, 1), [option(make, "b/1", 3, 1)])}
    intents = [service(make, name, *rates) for name, (rates, _) in asked.items()]
    found = choose(intents, {name: own for name, (_, own) in asked.items()}, fleet, Limits())
    assert found.status == "infeasible"
    assert "capacity/hall/gpu/share" in {clause.id for clause in found.conflict.clauses}


def test_with_room_for_all_at_once_nothing_is_shared(make):
    fleet = make.fleet(make.node("hall", {"gpu": 1}, count=6))
    asked = {"a": ((3, 1), [option(make, "a/1", 3, 1)]), "b": ((1, 3), [option(make, "b/1", 1, 3)])}
    found, intents = planned(make, asked, fleet)
    assert fits_at_once(intents, found, fleet)


def test_the_first_stay_and_the_rest_come_on_top(make):
    fleet = make.fleet(make.node("hall", {"gpu": 4}))
    found, _ = planned(make, {"a": ((4, 1), [option(make, "a/1", 4, 1)])}, fleet)
    assert [part.running(0) for part in found.placement["a"]] == [1, 0, 0, 0]
    assert [part.running(12) for part in found.placement["a"]] == [1, 1, 1, 1]


def test_a_cap_on_power_holds_by_the_hour(make):
    """40 W by night and 20 W by day: three replicas of 10 W may only run by night."""
    caps = tuple(20.0 if hour in DAY else 40.0 for hour in range(24))
    fleet = make.fleet(make.node("hall", {"gpu": 4}, power_cap_w=caps))
    found, _ = planned(make, {"a": ((1, 3), [option(make, "a/1", 1, 3)])}, fleet)
    assert running(found, "a", 0) == 3
    turned = [service(make, "a", 3, 1)]
    assert choose(turned, {"a": [option(make, "a/1", 3, 1)]}, fleet, Limits()).status == "infeasible"


def stands(devices, wanted):
    """Say whether replicas find devices so that none has two at once. wanted: service -> replicas by day, by night."""
    pieces = []
    for day, night in wanted:
        always = min(day, night)
        pieces += [(1, 1)] * always + [(1, 0)] * (day - always) + [(0, 1)] * (night - always)
    for places in product(range(devices), repeat=len(pieces)):
        used = [[0, 0] for _ in range(devices)]
        for place, (day, night) in zip(places, pieces, strict=True):
            used[place][0] += day
            used[place][1] += night
        if all(count <= 1 for row in used for count in row):
            return True
    return False


RATES = st.sampled_from([(day, night) for day in (1, 2, 3) for night in (1, 2, 3) if day != night])
WATTS = st.tuples(st.integers(5, 9), st.integers(5, 9))


@settings(max_examples=25)
@given(devices=st.integers(2, 4), rates=st.tuples(RATES, RATES), watts=st.tuples(WATTS, WATTS))
def test_as_good_as_trying_everything(make, devices, rates, watts):
    fleet = make.fleet(make.node("hall", {"gpu": devices}))
    asked = {}
    for name, (day, night), drawn in zip("ab", rates, watts, strict=True):
        pairs = enumerate(zip([(day, night), (day + 1, night + 1)], drawn, strict=True))
        own = [option(make, f"{name}/{n}", *pair, watts=each) for n, (pair, each) in pairs]
        asked[name] = ((day, night), own)
    # Rates of options with more replicas are their own: the intent asks for the first one's.
    asked = {
        name: (
            rates,
            [
                item.model_copy(
                    update={
                        "periods": tuple(
                            period.model_copy(update={"rate_per_s": rate})
                            for period, rate in zip(item.periods, sorted(map(float, rates)), strict=True)
                        )
                    }
                )
                for item in own
            ],
        )
        for name, (rates, own) in asked.items()
    }
    best = None
    for pair in product(*(own for _, own in asked.values())):
        counts = [tuple(next(p.replicas for p in item.periods if hour in p.hours) for hour in (12, 0)) for item in pair]
        if stands(devices, counts):
            power = sum(item.estimates["power"].value for item in pair)
            best = power if best is None else min(best, power)
    if best is None:
        intents = [service(make, name, *rates) for name, (rates, _) in asked.items()]
        found = choose(intents, {name: own for name, (_, own) in asked.items()}, fleet, Limits())
        assert found.status == "infeasible"
    else:
        found, _ = planned(make, asked, fleet)
        assert found.objective[0].value == pytest.approx(best)
        assert found.status == "optimal"
