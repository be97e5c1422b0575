"""The checker's own account of moves, on selections that nobody solved for."""

from __future__ import annotations

import build_instances as make
import pytest

from aios.check import audit
from aios.records.candidate import Estimate
from aios.records.current import Moving, Standing
from aios.records.selection import Placement

FLEET = make.fleet(make.node("n", {"gpu": 2}, count=3))
OPTION = make.option("a/0", {"power": 1.0}, device="gpu", nodes=("n",), replicas=2, share=1.0)
BEFORE = (("n-0", "0"), ("n-1", "1"))


def placed(*places):
    return tuple(Placement(node=node, devices=(id_,), share=1.0, replicas=1) for node, id_ in places)


def moving(option="a/0", before=BEFORE, **bound):
    outage = Estimate(metric="disruption", value=1.0, low=1.0, high=1.0, unit="s", source="assumed", basis="made")
    return Moving({"a": Standing(placed(*before), option, frozenset({option}), {option: outage})}, **bound)


def ledger(after, what):
    selection = make.selection({"a": OPTION}, {}).model_copy(update={"placement": {"a": placed(*after)}})
    rows = audit([make.intent("a")], selection, FLEET, (), None, what).rows
    return {row.clause.id: row for row in rows}


@pytest.mark.parametrize(
    ("after", "before", "option", "moves"),
    [
        pytest.param(BEFORE, BEFORE, "a/0", 0, id="as it was"),
        pytest.param(BEFORE[::-1], BEFORE, "a/0", 0, id="in another order"),
        pytest.param((("n-0", "0"), ("n-1", "0")), BEFORE, "a/0", 1, id="another device"),
        pytest.param(BEFORE, BEFORE, "a/1", 1, id="another option"),
        pytest.param(BEFORE, BEFORE[:1], "a/0", 0, id="what was lost is somewhere again"),
        pytest.param((("n-1", "1"), ("n-2", "1")), BEFORE[:1], "a/0", 1, id="what was left moved too"),
        pytest.param(BEFORE, (*BEFORE, ("n-2", "0")), "a/0", 0, id="one replica fewer"),
    ],
)
def test_moves_are_counted_from_placements_alone(after, before, option, moves):
    found = ledger(after, moving(option, before, most=0))["moves"]
    assert found.value == moves
    assert found.holds == (moves == 0)
    assert ledger(after, moving(option, before, most=1))["moves"].holds


def test_a_frozen_intent_is_the_very_same():
    frozen = frozenset({"a"})
    assert ledger(BEFORE, moving(frozen=frozen))["a/stays"].holds
    assert not ledger((("n-0", "0"), ("n-1", "0")), moving(frozen=frozen))["a/stays"].holds
    assert not ledger(BEFORE, moving("a/1", frozen=frozen))["a/stays"].holds
