"""Whatever is changed in a good schedule, the checker notices."""

import pytest
from small_schedules import H, fleet, job, node, way

from aios.check import audit_schedule
from aios.records.fleet import PowerCap
from aios.records.schedule import Frame
from aios.solve import Limits
from aios.solve.schedule import schedule

JOBS = [
    job("first", way(2, 2, cores=3.0), earliest=1, deadline=6),
    job("second", way(2, cores=2.0, g_per_h=(5.0,)), after=("first",)),
    job("third", way(3, cores=1.0), after=("first",)),
]
FLEET = fleet(node(cores=4, power_cap_w=(250.0,)), caps=[PowerCap(cap_w=(250.0, 220.0))])
GOOD = schedule(JOBS, FLEET, None, Frame(within_s=12 * H), Limits())


def broken(found, jobs=JOBS, on=FLEET):
    return {row.clause.id for row in audit_schedule(jobs, found, on, None).rows if not row.holds}


def run_of(name):
    return next(run for run in GOOD.runs if run.job == name)


def changed(name, **fields):
    runs = [run.model_copy(update=fields) if run.job == name else run for run in GOOD.runs]
    return GOOD.model_copy(update={"runs": tuple(runs)})


def moved(name, hours):
    run = run_of(name)
    return changed(name, start_s=run.start_s + hours * H, end_s=run.end_s + hours * H)


def placed(name, **fields):
    (part,) = run_of(name).placement
    return changed(name, placement=(part.model_copy(update=fields),))


def test_what_the_solver_says_holds():
    assert GOOD.status == "optimal"
    assert broken(GOOD) == set()


@pytest.mark.parametrize(
    ("found", "clause"),
    [
        (moved("first", -1), "first/earliest"),
        (moved("first", 4), "first/deadline"),
        (moved("second", -2), "second/after/first"),
        (moved("second", -2), "capacity/a/share of 0"),
        (moved("third", 9), "third/within"),
        (changed("third", end_s=run_of("third").end_s - H), "third/duration"),
        (changed("third", end_s=run_of("third").end_s + H), "third/duration"),
        (changed("third", way=3), "third/runs"),
        (changed("third", job="nobody"), "nobody/asked"),
        (changed("first", expense_usd=1.0), "first/expense"),
        (changed("second", emissions_g=None), "second/carbon"),
        (changed("second", energy_j=1.0), "second/energy"),
        (placed("first", devices=("0", "0")), "first/placed"),
        (placed("first", devices=("0", "7")), "first/placed"),
        (placed("first", node="b"), "first/placed"),
        (placed("first", replicas=2), "first/placed"),
        (placed("second", devices=run_of("third").placement[0].devices), "capacity/a/share of 1"),
        (GOOD.model_copy(update={"runs": GOOD.runs[1:]}), "first/runs"),
        (GOOD.model_copy(update={"goals": (GOOD.goals[0].model_copy(update={"value": 1.0}),)}),
         "objective/minimize expense"),
        (GOOD.model_copy(update={"goals": (GOOD.goals[0].model_copy(update={"bound": 1e6}),)}),
         "objective/minimize expense"),
    ],
)  # fmt: skip
def test_each_change_breaks_its_clause(found, clause):
    assert clause in broken(found)


@pytest.mark.parametrize(
    ("on", "clause"),
    [
        (fleet(node(cores=2)), "capacity/a/cores"),
        (fleet(node(cores=4, power_cap_w=(150.0,))), "cap/a"),
        (fleet(node(cores=4), caps=[PowerCap(cap_w=(250.0, 150.0))]), "cap/the fleet"),
    ],
)
def test_on_a_smaller_fleet_it_would_not_hold(on, clause):
    assert clause in broken(GOOD, on=on)


def test_an_unknown_power_breaks_a_cap():
    dark = [*JOBS[:2], JOBS[2].model_copy(update={"ways": (JOBS[2].ways[0].model_copy(update={"power_w": None}),)})]
    assert "cap/a" in broken(GOOD, jobs=dark)
    alone = schedule(JOBS[2:], fleet(), None, Frame(), Limits())
    assert "cap/a" in broken(alone, jobs=dark[2:], on=FLEET)
