"""Loads that are split over groups of replicas: all pieces are served once, as cheaply as trying everything finds."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.check import audit
from aios.records.intent import Load, Part
from aios.solve import Limits, choose

OF = 4
RATE = 8.0


def group(make, number, pieces=0):
    part = Part(service="s", number=number, pieces=pieces, of=OF, rate_per_s=RATE)
    share = pieces / OF if pieces else 1.0
    return make.intent(f"s/{number}", part=part, load=Load(rate_per_s=RATE * share))


def ways(make, number, table, kinds):
    """Options of a group. table: device -> watts for 1, 2, ... pieces"""
    name = f"s/{number}"
    found = []
    for device in kinds:
        for pieces, watts in enumerate(table[device], start=1):
            option = make.option(f"{name}/{device}/{pieces}", {"power": watts}, device=device, nodes=("n",), share=1.0)
            candidate = option.candidate.model_copy(update={"intent": name})
            found.append(option.model_copy(update={"candidate": candidate, "pieces": pieces}))
    return found


def chosen(make, table, fleet, groups=2):
    intents = [group(make, number) for number in range(1, groups + 1)]
    options = {intent.name: ways(make, n, table, table) for n, intent in enumerate(intents, start=1)}
    found = choose(intents, options, fleet, Limits())
    if found.status == "infeasible":
        return found, None
    served = {int(name[-1]): priced.pieces for name, priced in found.chosen.items()}
    return found, audit([group(make, number, pieces) for number, pieces in served.items()], found, fleet)


def test_the_cheaper_mix_is_found(make):
    """Two gpus serve at most 3 of 4 pieces each; one alone does not do, and one of each is cheapest."""
    fleet = make.fleet(make.node("n", {"big": 1, "small": 2}))
    found, ledger = chosen(make, {"big": [50.0, 55.0, 60.0], "small": [12.0, 40.0]}, fleet)
    assert ledger.holds
    assert found.objective[0].value == 72.0
    assert {(p.candidate.device, p.pieces) for p in found.chosen.values()} == {("big", 3), ("small", 1)}


def test_what_cannot_serve_all_pieces_is_infeasible(make):
    fleet = make.fleet(make.node("n", {"big": 1, "small": 1}))
    found, _ = chosen(make, {"big": [1.0, 2.0], "small": [1.0]}, fleet)
    assert found.status == "infeasible"


@settings(max_examples=25)
@given(
    big=st.lists(st.integers(1, 40), min_size=1, max_size=OF),
    small=st.lists(st.integers(1, 40), min_size=1, max_size=OF),
    have=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_as_good_as_trying_everything(make, big, small, have):
    table = {"big": [float(watts) for watts in big], "small": [float(watts) for watts in small]}
    fleet = make.fleet(make.node("n", {"big": have[0], "small": have[1]}))
    found, ledger = chosen(make, table, fleet)
    each = [(device, pieces, watts) for device, row in table.items() for pieces, watts in enumerate(row, start=1)]
    best = None
    for picked in product([*each, None], repeat=2):
        used = [way for way in picked if way is not None]
        fits = all(sum(way[0] == device for way in used) <= count for device, count in zip(table, have, strict=True))
        if fits and sum(way[1] for way in used) == OF:
            power = sum(way[2] for way in used)
            best = power if best is None else min(best, power)
    if best is None:
        assert found.status == "infeasible"
    else:
        assert found.objective[0].value == pytest.approx(best)
        assert ledger.holds


@pytest.mark.parametrize("pieces", [{1: 3, 2: 2}, {1: 3}, {1: 2, 2: 1}])
def test_the_checker_counts_the_pieces(make, pieces):
    fleet = make.fleet(make.node("n", {"big": 1, "small": 2}))
    found, _ = chosen(make, {"big": [50.0, 55.0, 60.0], "small": [12.0, 40.0]}, fleet)
    intents = [group(make, number, count) for number, count in pieces.items()]
    ledger = audit(intents, found, fleet)
    assert "s/split" in {row.clause.id for row in ledger.rows if not row.holds}
