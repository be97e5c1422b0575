"""Intents that may be refused: only those are, and what is admitted adds up, by weight.

Twin of the solver's refusals. The weight of an intent is its priority, one where none is stated; under the policy
``model-aware`` 0.7 x batch + 0.3 x gradient accumulation of a training job, 0.6 / tightest latency bound + 0.4 x rate
of a service, each term as a share of the largest of its kind, in whole thousandths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.records.intent import Intent
from aios.records.objective import Objective
from aios.records.selection import Clause, LedgerRow, ObjectiveValue, Selection

__all__ = ["goals", "rows"]

_ADMITTED = "maximize admitted"


def rows(intents: Sequence[Intent], selection: Selection) -> Iterator[LedgerRow]:
    """Yield one row per intent that is refused: it may be, and nothing of it stands."""
    for intent in intents:
        if intent.name in selection.refused:
            absent = intent.name not in selection.chosen and not selection.placement.get(intent.name)
            text = f"{intent.name} may be refused, and nothing of it stands"
            clause = Clause(id=f"{intent.name}/refused", intent=intent.name, text=text, where=intent.where)
            once = selection.refused[intent.name] == 1
            yield LedgerRow(clause=clause, value=None, slack=None, holds=absent and once and not intent.required)


def goals(
    intents: Sequence[Intent], selection: Selection, objective: Objective | None, others: Sequence[ObjectiveValue]
) -> list[ObjectiveValue]:
    """Return the goals of admission: what is admitted of intents is added to that of demands (``others``)."""
    weight = _admitted(intents, selection, objective)
    if weight is None:
        return list(others)
    total = weight + sum(row.value for row in others if row.goal == _ADMITTED)
    bound = next((row.bound for row in selection.objective if row.goal == _ADMITTED), total)
    gap = (bound - total) / bound if bound else 0.0
    own = ObjectiveValue(goal=_ADMITTED, value=total, bound=bound, gap=gap, unit="1")
    return [own, *(row for row in others if row.goal != _ADMITTED)]


def _admitted(intents: Sequence[Intent], selection: Selection, objective: Objective | None) -> float | None:
    """Return the weight of the intents that may be refused and are not; None where none may be."""
    optional = [intent for intent in intents if not intent.required]
    if not optional:
        return None
    running = [intent for intent in optional if intent.name not in selection.refused]
    if objective is None or objective.policy != "model-aware":
        return float(sum(max(intent.priority, 1) for intent in running))
    total = 0.0
    for intent in running:
        alike = [item for item in intents if (item.train is None) == (intent.train is None)]
        first, second = (0.6, 0.4) if intent.train is None else (0.7, 0.3)
        best = [max(_terms(item)[k] for item in alike) or 1.0 for k in (0, 1)]
        own = _terms(intent)
        total += max(1, round(1000 * (first * own[0] / best[0] + second * own[1] / best[1])))
    return total


def _terms(intent: Intent) -> tuple[float, float]:
    if intent.train is not None:
        return float(intent.train.batch), 1.0
    latencies = [item.bound for item in intent.require if item.metric.startswith("latency.") and item.bound > 0]
    rates = [item.bound for item in intent.require if item.metric == "throughput"]
    return (1 / min(latencies) if latencies else 0.0), max(rates, default=0.0)
