"""What stands stays where it must: frozen intents, and no more moves than are allowed.

Twin of the solver's moves, told from placements alone: an intent moves where it no longer runs as something that it
becomes in place, or where a place that is still there loses a replica without the intent becoming smaller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from aios.records.base import Span
from aios.records.candidate import Estimate
from aios.records.current import MOVES, Moving, Standing
from aios.records.selection import Clause, LedgerRow, Placement, Selection

__all__ = ["counted", "moves", "rows"]


def rows(selection: Selection, moving: Moving) -> Iterator[LedgerRow]:
    """Yield a row per frozen intent, and one for the number of moves where it is limited."""
    for name in sorted(moving.frozen):
        standing, priced = moving.standing[name], selection.chosen.get(name)
        same = priced is not None and priced.candidate.id == standing.option
        now = _places(selection.placement.get(name, ()))
        holds = (same or standing.option is None) and now == _places(standing.placement)
        where = Span(file="--freeze", line=1, column=1)
        clause = Clause(id=f"{name}/stays", intent=name, text=f"{name} stays as it is (--freeze)", where=where)
        yield LedgerRow(clause=clause, value=None, slack=None, holds=holds)
    if moving.most is not None:
        made = sum(moves(selection, moving).values())
        clause = Clause(
            id="moves",
            intent=None,
            metric=MOVES,
            bound=float(moving.most),
            text=f"moves <= {moving.most} (--max-moves)",
            where=Span(file="--max-moves", line=1, column=1),
        )
        left = float(moving.most - made)
        yield LedgerRow(clause=clause, value=float(made), slack=left, holds=left >= 0)


def moves(selection: Selection, moving: Moving) -> dict[str, int]:
    """Return intent -> 1 where it stands, still runs, and moves, else 0."""
    return {
        name: int(name in moving.standing and _moves(selection, name, moving.standing[name]))
        for name in selection.placement
    }


def _moves(selection: Selection, name: str, standing: Standing) -> bool:
    priced = selection.chosen.get(name)
    if priced is not None and priced.candidate.id not in standing.alike:
        return True
    before, after = _places(standing.placement), _places(selection.placement[name])
    lost, gained = before - after, after - before
    return not before or bool(lost and gained)


def _places(placement: Sequence[Placement]) -> Counter[tuple[str, tuple[str, ...]]]:
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for part in placement:
        found[part.node, part.devices] += part.replicas
    return found


def counted(selection: Selection, moving: Moving) -> Selection:
    """Return the selection with the moves of each intent among its figures, where goals may ask for them."""
    own = moves(selection, moving)
    chosen = {
        name: priced.model_copy(update={"estimates": {**priced.estimates, MOVES: _estimate(own[name])}})
        for name, priced in selection.chosen.items()
    }
    return selection.model_copy(update={"chosen": chosen})


def _estimate(value: int) -> Estimate:
    made = float(value)
    return Estimate(metric=MOVES, value=made, low=made, high=made, unit="1", source="analytic", basis="recounted")
