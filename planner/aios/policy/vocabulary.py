"""What rules may speak of: the fields of a plan with their types, in the words of the plan document.

A type is ``text``, ``int``, ``decimal``, ``bool`` or the name of another message; ``[type]`` is a list, ``{type}`` a
mapping by name. The names of fields are those of the plan document, where it has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.records.policy import About

__all__ = ["BOUND", "FIELDS", "Message"]

Message = Mapping[str, str]
"""Field -> type."""

FIELDS: Mapping[str, Message] = {
    "Estimate": {
        "value": "decimal",
        "low": "decimal",
        "high": "decimal",
        "unit": "text",
        "source": "text",
        "basis": "text",
    },
    "Total": {"value": "decimal", "low": "decimal", "high": "decimal", "unit": "text", "sources": "[text]"},
    "Place": {"node": "text", "devices": "[text]", "share": "decimal", "replicas": "int"},
    "Intent": {"name": "text", "labels": "{text}"},
    "Decision": {
        "intent": "text",
        "labels": "{text}",
        "candidate": "text",
        "model": "text",
        "device": "text",
        "device_kind": "text",
        "precision": "text",
        "quantization": "text",
        "compression": "text",
        "batch": "int",
        "threads": "int",
        "replicas": "int",
        "parallelism": "text",
        "devices": "int",
        "machines": "int",
        "power_mode": "text",
        "executor": "text",
        "placement": "[Place]",
        "nodes": "[text]",
        "estimates": "{Estimate}",
        "notes": "[text]",
        "moved": "bool",
        "action": "text",
    },
    "Claim": {
        "address": "text",
        "metric": "text",
        "estimate": "Estimate",
        "clause": "text",
        "bound": "decimal",
        "required": "bool",
    },
    "Deployment": {
        "model": "text",
        "precision": "text",
        "quantization": "text",
        "device": "text",
        "device_kind": "text",
        "batch": "int",
        "threads": "int",
        "replicas": "int",
        "executor": "text",
        "nodes": "[text]",
        "host": "text",
        "port": "int",
    },
    "Action": {
        "address": "text",
        "action": "text",
        "reason": "text",
        "executor": "text",
        "before": "Deployment",
        "after": "Deployment",
    },
    "Goal": {"goal": "text", "value": "decimal", "bound": "decimal", "gap": "decimal", "unit": "text"},
    "Refused": {"intent": "text", "count": "int"},
    "Plan": {
        "status": "text",
        "goals": "[text]",
        "objective": "[Goal]",
        "intents": "[Intent]",
        "decisions": "[Decision]",
        "claims": "[Claim]",
        "actions": "[Action]",
        "refused": "[Refused]",
        "totals": "{Total}",
        "before": "{Total}",
        "moves": "int",
        "replicas": "int",
        "nodes": "[text]",
    },
}

BOUND: Mapping[About, Mapping[str, str]] = {
    "plan": {"plan": "Plan"},
    "decision": {"plan": "Plan", "intent": "Intent", "decision": "Decision"},
    "claim": {"plan": "Plan", "intent": "Intent", "claim": "Claim"},
    "action": {"plan": "Plan", "intent": "Intent", "action": "Action"},
}
"""Names that a rule may use, by what it is asked of, and their types."""
