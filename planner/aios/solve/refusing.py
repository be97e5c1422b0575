"""Intents that may be refused: refusing one is an option of it, that takes nothing and comes last.

As few are refused as can be by weight, where the goals let them (see ``aios.solve.admitting``), and under the policy
``priority`` of a higher priority before one of a lower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.intent import Intent
from aios.records.metrics import metric
from aios.records.objective import Policy
from aios.records.selection import ObjectiveValue

__all__ = ["ADMITTED", "admission_row", "is_refusal", "ranks_of", "refusal_of", "weights_of"]

ADMITTED = "maximize admitted"
"""The goal of the row that says how much is admitted, by weight."""
_SCALE = 1000
"""The largest weight under the policy ``model-aware``."""


def refusal_of(intent: Intent, metrics: Sequence[str]) -> Priced:
    """Return the option of not running an intent: no replica, and nothing of any of these metrics."""
    candidate = Candidate(
        id=f"{intent.name}/refused",
        intent=intent.name,
        model="",
        model_digest="",
        device="",
        nodes=(),
        executor="",
        precision="",
        replicas=0,
    )
    return Priced(candidate=candidate, estimates={name: _nothing(name) for name in metrics}, demand=_NOTHING)


def is_refusal(priced: Priced) -> bool:
    """Say whether an option is that of not running the intent."""
    return priced.candidate.replicas == 0


_NOTHING = Demand(share=0.0, cores=0, device_memory_bytes=0.0, node_memory_bytes=0.0)


def _nothing(name: str) -> Estimate:
    unit = metric(name).unit
    return Estimate(metric=name, value=0.0, low=0.0, high=0.0, unit=unit, source="analytic", basis="it does not run")


def weights_of(intents: Sequence[Intent], policy: Policy | None) -> dict[str, int]:
    """Return what admitting each intent weighs.

    Its priority, one where none is stated. ``model-aware`` weighs a training job by 0.7 x its batch + 0.3 x its
    gradient accumulation (one step, as an intent states none), and a service by 0.6 / its tightest latency bound +
    0.4 x the rate that it must sustain, each term as a share of the largest of all jobs or of all services.
    """
    if policy != "model-aware":
        return {intent.name: max(intent.priority, 1) for intent in intents}
    jobs = {intent.name: (float(intent.train.batch), 1.0) for intent in intents if intent.train is not None}
    services = {intent.name: (_urgency(intent), _rate(intent)) for intent in intents if intent.train is None}
    found = {**_blended(jobs, 0.7, 0.3), **_blended(services, 0.6, 0.4)}
    return {name: max(1, round(_SCALE * weight)) for name, weight in found.items()}


def _blended(pairs: Mapping[str, tuple[float, float]], first: float, second: float) -> dict[str, float]:
    most = [max((pair[k] for pair in pairs.values()), default=0.0) or 1.0 for k in (0, 1)]
    return {name: first * a / most[0] + second * b / most[1] for name, (a, b) in pairs.items()}


def _urgency(intent: Intent) -> float:
    """Return 1 / the tightest bound on a latency, in 1/s; nothing without one."""
    bounds = [item.bound for item in intent.require if item.metric.startswith("latency.") and item.bound > 0]
    return 1 / min(bounds) if bounds else 0.0


def _rate(intent: Intent) -> float:
    return max((item.bound for item in intent.require if item.metric == "throughput"), default=0.0)


def ranks_of(intents: Sequence[Intent], policy: Policy | None) -> Iterator[list[int]]:
    """Yield the intents that may be refused, by index, in the order in which admitting them is settled."""
    optional = [index for index, intent in enumerate(intents) if not intent.required]
    if policy != "priority":
        yield optional
        return
    for priority in sorted({intents[index].priority for index in optional}, reverse=True):
        yield [index for index in optional if intents[index].priority == priority]


def admission_row(admitted: float, most: float) -> ObjectiveValue:
    """Return the row that says how much is admitted, by weight. most: that can be"""
    bound = max(admitted, most)
    gap = (bound - admitted) / bound if bound else 0.0
    return ObjectiveValue(goal=ADMITTED, value=admitted, bound=bound, gap=gap, unit="1")
