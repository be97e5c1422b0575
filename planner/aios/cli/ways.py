"""How work is spread over devices, in words."""

from __future__ import annotations

from aios.records.candidate import Candidate
from aios.records.fleet import Fleet
from aios.records.plan import Decision
from aios.records.units import Dimension, format_quantity

__all__ = ["device_words", "spread_words"]


def device_words(candidate: Candidate) -> str:
    """Return the device of a candidate with its mode, how it is spread, and what of the model lives elsewhere."""
    words = [candidate.device]
    if candidate.power_mode:
        words.append(candidate.power_mode)
    if candidate.parallelism != "none":
        words.append(candidate.parallelism)
    text = " ".join(words)
    for tier in dict.fromkeys(candidate.tiers.values()):
        parts = (part.replace("_", " ") for part, name in candidate.tiers.items() if name == tier)
        text += f", {' and '.join(parts)} in {tier}"
    return text


def spread_words(decision: Decision, fleet: Fleet) -> str:
    """Return on how many devices each replica of a decision runs and how they share it; empty where it is on one."""
    if not decision.degrees:
        return ""
    whole = decision.devices * decision.machines
    where = f"{decision.devices} × {decision.device}"
    if decision.machines > 1:
        where = f"{decision.machines} machines with {where} each"
    shares = [f"{name} {degree}" for name, degree in decision.degrees.items() if degree > 1]
    choices = [f"{name.replace('_', ' ')} {value}" for name, value in decision.settings.items()]
    how = f" ({' × '.join(shares)})" if shares else ""
    each = " on" if decision.replicas == 1 else "s, each on"
    text = f"{decision.replicas} replica{each} {where}{how}, {', '.join([decision.precision, *choices])}"
    memory = decision.estimates.get("memory")
    if memory is None or whole == 0:
        return text
    held = format_quantity(memory.high / whole / decision.replicas, Dimension.BYTES)
    own = fleet.types[decision.device].memory_bytes
    return f"{text}; up to {held}" + (f" of {format_quantity(own.value, Dimension.BYTES)}" if own else "") + " on each"
