"""The checker agrees with the solver, and catches every selection that was tampered with."""

from __future__ import annotations

import brute_force
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.check import audit
from aios.records.base import Span
from aios.records.intent import Load, Requirement
from aios.solve import Limits, choose

RANDOM = settings(max_examples=40, deadline=None)


WRONG_PLACEMENT = {
    "share": lambda part: {"share": part.share / 2},
    "larger share": lambda part: {"share": part.share + 1},
    "node": lambda _: {"node": "nowhere"},
    "device": lambda _: {"devices": ("cpu99",)},
    "no device": lambda _: {"devices": ()},
    "two devices": lambda part: {"devices": part.devices * 2},
    "more replicas": lambda part: {"replicas": part.replicas + 1},
    "fewer replicas": lambda part: {"replicas": part.replicas - 1},
}
WRONG_OBJECTIVE = {
    "value": lambda row: {"value": row.value + 1, "bound": row.bound + 1},
    "slightly wrong value": lambda row: {"value": row.value * (1 + 1e-6)},
    "gap": lambda row: {"gap": row.gap + 0.5},
    "unit": lambda _: {"unit": "furlong"},
    "bound past the value": lambda row: {"bound": row.value + (-1 if "maximize" in row.goal else 1)},
    "goal": lambda _: {"goal": "minimize nothing"},
}


def mutations(selection):
    """Yield what was changed, and the selection with that change."""
    name = next(iter(selection.placement))
    part, *parts = selection.placement[name]
    for what, change in WRONG_PLACEMENT.items():
        placement = {**selection.placement, name: (part.model_copy(update=change(part)), *parts)}
        yield what, selection.model_copy(update={"placement": placement})
    row, *rows = selection.objective
    for what, change in WRONG_OBJECTIVE.items():
        yield what, selection.model_copy(update={"objective": (row.model_copy(update=change(row)), *rows)})
    for what, nothing in (("placement", {}), ("chosen", {}), ("objective", ())):
        yield f"no {what}", selection.model_copy(update={what: nothing})


@RANDOM
@given(data=st.data())
def test_catches_every_mutation(make, data):
    intents, options, fleet = data.draw(make.instances())
    selection = choose(intents, options, fleet, Limits())
    assert audit(intents, selection, fleet).holds
    if not selection.chosen:
        return
    for what, mutated in mutations(selection):
        assert not audit(intents, mutated, fleet).holds, what


@RANDOM
@given(data=st.data())
def test_a_swapped_candidate_is_caught_unless_it_is_as_good(make, data):
    """Another option in place of the chosen one, placed as it was, holds only if it is a plan of the same worth."""
    intents, options, fleet = data.draw(make.instances())
    selection = choose(intents, options, fleet, Limits())
    for intent in intents if selection.chosen else ():
        for other in options[intent.name]:
            chosen = {**selection.chosen, intent.name: other}
            ledger = audit(intents, selection.model_copy(update={"chosen": chosen}), fleet)
            plan = tuple(chosen[i.name] for i in intents)
            placed = [selection.placement[i.name] for i in intents]
            ordered = sorted(intents, key=lambda i: (-i.priority, i.name))
            if ledger.holds:
                assert placed in list(brute_force.placements(fleet, plan))
                assert tuple(chosen[i.name] for i in ordered) in brute_force.best_plans(ordered, options, fleet)


@RANDOM
@given(data=st.data())
def test_agrees_with_brute_force_on_any_placement(make, data):
    """Whatever is put anywhere: the ledger's capacities hold exactly if the brute force says that it fits."""
    intents, options, fleet = data.draw(make.instances())
    placed, chosen = {}, {}
    for intent in intents:
        priced = data.draw(st.sampled_from(options[intent.name]))
        slots = brute_force.slots_of(fleet, priced)
        counts = data.draw(st.sampled_from(list(brute_force.spreads(priced.candidate.parts, len(slots))) or [()]))
        chosen[intent.name] = priced
        placed[intent.name] = (priced, slots, counts)
    selection = make.selection(chosen, placed)
    ledger = audit(intents, selection, fleet)
    rows = {row.clause.id: row.holds for row in ledger.rows}
    fits = brute_force.fits(fleet, list(placed.values())) and all(counts for _, _, counts in placed.values())
    assert fits == all(holds for id_, holds in rows.items() if id_.startswith("capacity/") or id_.endswith("/replicas"))
    keep = all(brute_force.allowed(chosen[i.name], i) for i in intents)
    assert keep == all(rows[f"{i.name}/{r.metric}"] for i in intents for r in i.require)


def test_a_plan_that_cannot_keep_up_with_its_load_is_caught(make):
    """Put in place of the chosen one, an option with less capacity than the load asks for breaks one row: that one."""
    where = Span(file="intent.yaml", line=7, column=16)
    text = "throughput >= 20/s (implied by load)"
    implied = Requirement(metric="throughput", bound=20.0, text=text, where=where, implied_by="load")
    intent = make.intent("a", [implied], load=Load(rate_per_s=20.0))
    weak, strong = (make.option(f"a/{low}", {"throughput": (low, 30, 40), "power": 1}) for low in (19.9, 20.0))
    selection = choose([intent], {"a": [weak, strong]}, make.fleet(), Limits())
    assert selection.chosen["a"] == strong
    assert audit([intent], selection, make.fleet()).holds
    swapped = selection.model_copy(update={"chosen": {"a": weak}})
    broken = [row for row in audit([intent], swapped, make.fleet()).rows if not row.holds]
    assert [(row.clause.id, row.clause.text, row.clause.where) for row in broken] == [("a/throughput", text, where)]
    assert broken[0].slack is not None
    assert round(broken[0].slack, 9) == -0.1
