"""Services whose load is split, in words: which group serves which share of it."""

from __future__ import annotations

from aios.cli.words import Ink
from aios.records.plan import Decision, Plan

__all__ = ["split_words"]


def split_words(plan: Plan, ink: Ink) -> str:
    """Return a line for each service whose load is split: ``62 % on 3 nvidia-l4, 38 % on 1 nvidia-a100``."""
    services: dict[str, list[Decision]] = {}
    for decision in plan.decisions:
        if decision.part is not None:
            services.setdefault(decision.part.service, []).append(decision)
    lines = []
    for service, groups in services.items():
        groups.sort(key=lambda item: (-item.part.share if item.part else 0.0, item.intent))
        parts = ", ".join(_group(decision) for decision in groups)
        of = groups[0].part.of if groups[0].part else 1
        lines.append(f"{ink('split', 'dim')} {service}: {parts}; shares in steps of 1/{of}")
    return "\n".join(lines)


def _group(decision: Decision) -> str:
    assert decision.part is not None
    devices = decision.replicas * decision.machines * decision.devices
    return f"{100 * decision.part.share:.4g} % on {devices} {decision.device} ({decision.intent})"
