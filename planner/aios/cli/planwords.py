"""What a plan's document says, in words: for plans that were just made and for saved ones alike."""

from __future__ import annotations

from collections.abc import Collection

from aios.cli.output import metric_text
from aios.cli.words import Ink, counted, gap_text, table
from aios.records.candidate import Residence
from aios.records.metrics import PLAN_METRICS
from aios.records.plan import Plan
from aios.records.selection import ObjectiveValue
from aios.records.units import Dimension, format_quantity

__all__ = [
    "INPUT_WORDS",
    "action_words",
    "ended",
    "goal_value",
    "objective_words",
    "promise_words",
    "proof_words",
    "residence_words",
]

INPUT_WORDS = {
    "intents": "intents",
    "fleet": "fleet",
    "models": "models and their data",
    "profiles": "measurements",
    "catalogue": "device types",
    "state": "state",
    "current": "what stood",
    "policies": "policies",
}
"""What a plan was made from (`aios.records.plan.Inputs`), as people call it."""

_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "keep": " "}
_INKS = {"create": "green", "update": "yellow", "replace": "yellow", "delete": "red", "keep": "dim"}


def promise_words(plan: Plan, ink: Ink) -> str:
    """Return a table of what is promised and predicted."""
    rows = [
        [
            claim.address,
            claim.metric,
            metric_text(claim.metric, claim.estimate.value),
            f"{metric_text(claim.metric, claim.estimate.low)} .. {metric_text(claim.metric, claim.estimate.high)}",
            claim.estimate.source,
            claim.clause or "-",
        ]
        for claim in plan.claims
    ]
    return table(["INTENT", "PROMISE", "VALUE", "90 % INTERVAL", "SOURCE", "REQUIRED"], rows, ink) if rows else ""


def residence_words(plan: Plan, ink: Ink, sparse: Collection[str] = ()) -> str:
    """Say where the parts of each model live and what reading them costs.

    sparse: intents of whose model a token reads only the experts that it is routed to
    """
    lines = []
    for decision in plan.decisions:
        if decision.memory:
            parts = "; ".join(_residence(item, decision.intent in sparse) for item in decision.memory)
            lines.append(f"{ink('memory', 'dim')} {decision.intent}: {parts}")
    return "\n".join(lines)


def _residence(item: Residence, sparse: bool) -> str:
    """Return a part of a model. sparse: a token reads only the experts that it is routed to"""
    size = format_quantity(item.bytes, Dimension.BYTES)
    where = f"{item.part.replace('_', ' ')} {size} in {item.tier}"
    if item.read_bytes_per_s is None or item.seconds is None:
        return f"{where}, read at an unknown rate"
    rate, time = (
        format_quantity(item.read_bytes_per_s, Dimension.BANDWIDTH),
        format_quantity(item.seconds, Dimension.TIME),
    )
    what = "read all experts" if sparse and item.part == "weights" else "read"
    return f"{where}, {time} to {what} at {rate} ({item.source})"


def objective_words(plan: Plan, ink: Ink) -> list[str]:
    """Return a line for each goal: its value, and how good that is known to be."""
    return [
        f"{ink('objective', 'dim')} {item.goal}: {goal_value(item, item.value)}, {proof_words(item)}"
        for item in plan.objective
    ]


def proof_words(item: ObjectiveValue) -> str:
    """Say how good the value of a goal is known to be."""
    return "proved optimal" if item.gap == 0 else f"bound {goal_value(item, item.bound)}, gap {gap_text(item.gap)}"


def goal_value(item: ObjectiveValue, value: float) -> str:
    """Return a value of a goal as people read it."""
    if ": minimize unknown " in item.goal:
        return counted(round(value), "intent")
    if item.goal.split()[1] in (*PLAN_METRICS, "fair-share", "max-min"):
        return f"{value:,.7g}"
    return f"{100 * value:.4g} %" if item.unit == "1" else f"{value:.4g} {item.unit}"


def ended(plan: Plan) -> str:
    """Say why there is no proof."""
    interrupted = plan.solver.termination == "interrupted"
    return "the search was interrupted" if interrupted else "the search came to the end of its allowance"


def action_words(plan: Plan, ink: Ink, command: str | None) -> str:
    """Return a line for each action and how many there are. command: that carries them out, if any"""
    lines = []
    for action in plan.actions:
        sign = f"{_SIGNS[action.action]} {action.action}"
        waits = f"; after {', '.join(action.waits_for)}" if action.waits_for else ""
        lines.append(f"{ink(sign.ljust(9), _INKS[action.action])} {action.address}: {action.reason}{waits}")
    counts = {kind: sum(action.action == kind for action in plan.actions) for kind in _SIGNS}
    changes = [f"{count} to {kind}" for kind, count in counts.items() if count and kind != "keep"]
    if not changes:
        asked = "the intents ask for" if plan.back_to is None else f"run @{plan.back_to.run} wanted"
        placed = not plan.actions and plan.back_to is None
        stands = "demands are placed, not started" if placed else f"what stands is what {asked}"
        return "\n".join([*lines, f"nothing to do: {stands}"])
    lines.append(f"plan: {', '.join(changes)}")
    return "\n".join([*lines, f"next: {command}"] if command else lines)
