"""Jobs in time: hand-worked days, and every small case against all schedules that there are."""

import random  # noqa: TID251 -- seeded: orders of jobs

import pytest
from hypothesis import HealthCheck, given, settings
from small_schedules import DAY, H, best, fleet, job, node, small_cases, way

from aios.check import audit_schedule
from aios.records.fleet import PowerCap
from aios.records.schedule import Frame, TimeGoal
from aios.solve import Limits
from aios.solve.schedule import schedule
from aios.solve.schedule.hours import Hours, segments

LIMITS = Limits(deterministic_limit=20.0)


def scheduled(jobs, on=None, frame=None, asked=()):
    """Schedule, and let the checker agree."""
    on, frame = on or fleet(), frame or Frame()
    found = schedule(jobs, on, None, frame, LIMITS, asked)
    ledger = audit_schedule(jobs, found, on, None)
    assert ledger.holds, [row.clause.text for row in ledger.rows if not row.holds]
    return found


def hours_of(found):
    return {run.job: (run.start_s / H, run.end_s / H) for run in found.runs}


def values(found):
    return {row.goal: row.value for row in found.goals}


def test_a_job_waits_for_the_cheap_hours():
    found = scheduled([job("a", way(4), earliest=8)], frame=Frame(within_s=48 * H))
    assert hours_of(found) == {"a": (21, 25)}
    assert values(found)["minimize expense"] == 4.0
    assert found.status == "optimal"


def test_a_deadline_before_they_come_costs_more():
    found = scheduled([job("a", way(4), earliest=8, deadline=20)])
    assert hours_of(found) == {"a": (8, 12)}
    assert values(found)["minimize expense"] == 12.0


def test_the_start_of_the_plan_shifts_the_series():
    found = scheduled([job("a", way(2))], frame=Frame(start="2027-03-01T16:30:00Z", offset_s=16.5 * H, within_s=24 * H))
    assert hours_of(found) == {"a": (4.5, 6.5)}


def test_two_jobs_share_what_is_there_and_one_waits_for_another():
    jobs = [job("x", way(3, 2)), job("y", way(4)), job("z", way(5), after=("y",))]
    found = scheduled(jobs)
    assert hours_of(found) == {"x": (0, 3), "y": (3, 7), "z": (21, 26)}
    assert values(found)["minimize expense"] == 3 * 2 + 4 + 5


def test_a_power_cap_that_is_low_by_day_keeps_jobs_apart():
    cap = PowerCap(cap_w=tuple([200.0] * 7 + [100.0] * 17))
    flat = {"usd_per_h": (1.0,)}
    found = scheduled([job(name, way(4, **flat)) for name in "abc"], fleet(node(devices=3), caps=[cap]))
    assert sorted(hours_of(found).values()) == [(0, 4), (0, 4), (4, 8)]
    assert values(found)["minimize time"] == 8 * H


def test_a_cap_of_each_machine_holds_for_each():
    on = fleet(node(count=2, devices=2, power_cap_w=(150.0,)))
    found = scheduled([job(name, way(2, usd_per_h=(1.0,))) for name in "abc"], on)
    assert sorted(hours_of(found).values()) == [(0, 2), (0, 2), (2, 4)]


def test_an_unknown_power_keeps_no_cap():
    found = scheduled([job("a", way(1, power_w=None))], fleet(caps=[PowerCap(cap_w=(1e6,))]))
    assert found.status == "infeasible"
    assert [clause.text for clause in found.conflict.clauses] == ["power cap of the fleet"]
    assert "nobody knows that of a" in found.conflict.notes[0]


def test_what_stands_all_the_time_leaves_the_rest():
    jobs = [job("server", way(None)), job("a", way(2)), job("b", way(2))]
    found = scheduled(jobs, frame=Frame(within_s=10 * H))
    assert hours_of(found) == {"server": (0, 10), "a": (0, 2), "b": (2, 4)}
    assert {run.job: run.expense_usd for run in found.runs}["server"] is None


def test_goals_of_jobs_come_first_and_asked_ones_in_their_place():
    slow, fast = way(6, 1, usd_per_h=(1.0,)), way(2, 2, usd_per_h=(4.0,))
    assert hours_of(scheduled([job("a", slow, fast)])) == {"a": (0, 6)}
    quick = job("a", slow, fast, goals=(TimeGoal(total="time"),))
    assert hours_of(scheduled([quick])) == {"a": (0, 2)}
    assert hours_of(scheduled([quick], asked=(TimeGoal(total="expense"),))) == {"a": (0, 6)}
    within = job("a", slow, fast, goals=(TimeGoal(total="expense", tolerance=0.4), TimeGoal(total="time")))
    assert hours_of(scheduled([within])) == {"a": (0, 2)}


def test_more_important_jobs_choose_first():
    flat = {"usd_per_h": (1.0,), "goals": ()}
    jobs = [
        job(name, way(3, 2, usd_per_h=flat["usd_per_h"]), goals=(TimeGoal(total="time"),), priority=priority)
        for name, priority in (("low", 0), ("high", 5))
    ]
    assert hours_of(scheduled(jobs)) == {"high": (0, 3), "low": (3, 6)}


def test_gangs_keep_their_machines_even_where_devices_enough_are_free():
    """Two single devices on two machines are no pair: the sums fit at 0 h, machines in particular do not."""
    flat = {"usd_per_h": (1.0,)}
    jobs = [job(name, way(length, 2, **flat)) for name, length in (("a", 2), ("b", 2), ("c", 2))]
    found = scheduled(jobs, fleet(node(count=2, devices=3)))
    assert found.status == "optimal"
    assert sorted(hours_of(found).values()) == [(0, 2), (0, 2), (2, 4)]


def test_halves_that_one_device_has_no_memory_for_take_one_each():
    half = way(1, share=0.5, parts=2, device_memory_bytes=50.0, usd_per_h=(1.0,))
    jobs = [job("halves", half), job("whole", way(1, usd_per_h=(1.0,)))]
    found = scheduled(jobs, frame=Frame(within_s=5 * H))
    assert found.status == "optimal"
    assert sorted(hours_of(found).values()) == [(0, 1), (1, 2)]
    (placed,) = (run.placement for run in found.runs if run.job == "halves")
    assert sorted(part.devices for part in placed) == [("0",), ("1",)]
    three = [job(f"halves-{k}", half) for k in range(3)]
    assert scheduled(three, frame=Frame(within_s=2 * H)).status == "infeasible"


def test_a_conflict_names_what_is_needed_and_the_earliest_end_that_would_do():
    jobs = [job("x", way(3, 2), deadline=4), job("y", way(4), deadline=5), job("z", way(5), after=("y",))]
    found = scheduled(jobs)
    assert found.status == "infeasible"
    assert {clause.id for clause in found.conflict.clauses} == {"x/deadline", "y/deadline", "capacity/a"}
    assert {item.clause: item.to for item in found.conflict.relaxations} == {
        "x/deadline": "7 h after the start",
        "y/deadline": "7 h after the start",
    }


def test_lengths_are_rounded_up_to_steps_of_a_second():
    found = scheduled([job("a", way(0.25 + 0.1 / H))])
    (run,) = found.runs
    assert (found.step_s, run.end_s - run.start_s) == (1.0, 901.0)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_jobs_changes_nothing(seed):
    jobs = [job(f"j{k}", way(1 + k % 3, 1 + k % 2), earliest=k % 4) for k in range(6)]
    mixed = random.Random(seed).sample(jobs, len(jobs))
    on = fleet(node(count=2))
    assert scheduled(mixed, on) == scheduled(jobs, on)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(small_cases())
def test_no_schedule_is_better_than_the_one_that_is_found(case):
    jobs, on, frame = case
    expected = best(jobs, on, frame, round(frame.within_s / H))
    found = scheduled(jobs, on, frame)
    assert (found.status == "infeasible") == (expected is None)
    if expected is not None:
        assert found.status == "optimal"
        sums = {"minimize expense": 0.0, "minimize carbon": 0.0} | values(found)
        assert list(sums.values()) == pytest.approx(list(expected), abs=1e-6)
        assert all(row.bound <= row.value for row in found.goals)


def test_sums_bend_where_start_or_end_pass_an_hour():
    hours = Hours(tuple(map(int, DAY)), offset=30, hour=60)
    for length in (1, 59, 60, 240, 1440, 2000):
        pieces = segments(hours, length, 5, 3000)
        assert (pieces[0].low, pieces[-1].high) == (5, 3000)
        for start in range(5, 3001, 7):
            piece = next(item for item in pieces if item.low <= start <= item.high)
            expected = sum(int(DAY[(step + 30) // 60 % 24]) for step in range(start, start + length))
            assert piece.base + piece.slope * (start - piece.low) == expected
