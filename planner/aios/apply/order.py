"""Which action needs which others to be done before it. All others may run at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from aios.records.plan import Action

__all__ = ["circle_of", "needs_of"]


def needs_of(actions: Sequence[Action]) -> Mapping[int, frozenset[int]]:
    """Return position of an action -> positions of those that must be done before it.

    On one address actions follow each other in the plan's order. A stage of a pipeline is there before what calls it
    changes, and goes after what called it. What frees what another one takes (the plan names it in ``waits_for``) is
    done before that one.
    """
    at: dict[str, list[int]] = defaultdict(list)
    for position, action in enumerate(actions):
        if action.action != "keep":
            at[action.address].append(position)
            if action.moved_from is not None:
                at[action.moved_from].append(position)
    needs: dict[int, set[int]] = defaultdict(set)
    for positions in at.values():
        for first, then in pairwise(positions):
            needs[then].add(first)
    for position, action in enumerate(actions):
        if action.action == "keep":
            continue
        needs[position].update(other for address in action.waits_for for other in at.get(address, ()))
        if action.after is not None:
            called = [at[address] for address in action.after.next if address in at]
            needs[position].update(found[-1] for found in called if actions[found[-1]].after is not None)
        if action.before is not None:
            called = [at[address] for address in action.before.next if address in at]
            for found in called:
                if actions[found[-1]].after is None:
                    needs[found[-1]].add(position)
    return {position: frozenset(needed - {position}) for position, needed in needs.items() if needed - {position}}


def circle_of(needs: Mapping[int, frozenset[int]]) -> Sequence[int]:
    """Return actions that wait for each other in a circle, the first one once more at the end; empty for none."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        found: list[int] = error.args[1]
        return found
    return ()
