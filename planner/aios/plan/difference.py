"""How two records of one intent differ, deployments above all: which fields, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from aios.records.base import Record
from aios.records.plan import Deployment
from aios.records.selection import Placement

__all__ = ["changed_fields", "in_words", "told_fields"]

_LABELS = {
    "intent": "moved",
    "model_path": "model file",
    "model_digest": "content of the model file",
    "calibrate": "calibration files",
    "calibrate_digest": "content of the calibration files",
    "max_delay_s": "longest wait for a batch (s)",
    "power_mode": "power mode",
    "rate_per_s": "load (requests/s)",
    "serve": "endpoint",
    "device_kind": "device kind",
}

_FOLLOWS = {
    "model_path": "model",
    "model_digest": "model",
    "device_kind": "device",
    "calibrate": "quantization",
    "calibrate_digest": "quantization",
    "addresses": "placement",
}
"""Field -> the field whose change explains it; told only when that one stays as it is."""

_SHOWN_DIGEST = len("sha256:") + 8


def changed_fields(before: Deployment, after: Deployment) -> tuple[str, ...]:
    """Return the names of the fields that differ, in their order in the record.

    A placement that differs in nothing but the number of replicas on each machine is a change of ``replicas`` alone.
    """
    fields = [name for name in Deployment.model_fields if name != "stored"]  # a name for what the digest says
    changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
    if "replicas" in changed and "placement" in changed and _where(before.placement) == _where(after.placement):
        changed.remove("placement")
    return tuple(changed)


def in_words(before: Deployment, after: Deployment, changed: Sequence[str]) -> str:
    """Return what changes, such as ``batch 1 -> 4, threads 1 -> 2``."""
    return ", ".join(f"{item.label} {item.before} -> {item.after}" for item in told_fields(before, after, changed))


class Told(NamedTuple):
    """A field that differs. label: what it is called · before, after: as people write it"""

    field: str
    label: str
    before: str
    after: str


def told_fields(before: Record, after: Record, changed: Sequence[str]) -> list[Told]:
    """Return what the fields were and are; what only follows from another field that changed is left out."""
    told = [name for name in changed if _FOLLOWS.get(name) not in changed]
    stored = []
    if isinstance(before, Deployment) and isinstance(after, Deployment) and (before.stored or after.stored):
        told = [name for name in told if name not in ("model_path", "model_digest")]
        if "model_digest" in changed:
            stored = [Told("stored", "stored model", _whose(before), _whose(after))]
    return stored + [
        Told(name, _LABELS.get(name, name), _shown(getattr(before, name)), _shown(getattr(after, name)))
        for name in told
    ]


def _whose(deployment: Deployment) -> str:
    return f"{deployment.stored or deployment.model_path} ({_shown(deployment.model_digest)})"


def _where(placement: Sequence[Placement]) -> list[tuple[str, tuple[str, ...], float]]:
    return [(item.node, item.devices, item.share) for item in placement]


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[:_SHOWN_DIGEST]
    if isinstance(value, tuple):
        return " + ".join(_shown(item) for item in value)
    if isinstance(value, Placement):
        return f"{value.replicas} on {value.node}[{','.join(value.devices)}] at share {value.share:g}"
    if isinstance(value, dict):
        return " + ".join(f"{name}={_shown(item)}" for name, item in sorted(value.items()))
    if hasattr(value, "host"):
        return f"{value.host}:{value.port or 'any port'}"
    return str(value)
