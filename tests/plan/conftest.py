"""Records to plan with: two intents, one machine, a choice that the solver could have made (``golden/inputs.json``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aios.plan import make_plan
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.plan import Inputs, Plan
from aios.records.selection import Selection
from aios.records.state import State

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def given() -> dict[str, Any]:
    """Keyword arguments of make_plan, but for the state."""
    data = json.loads((GOLDEN / "inputs.json").read_text())
    return {
        "intents": tuple(Intent.model_validate(item) for item in data["intents"]),
        "profiles": {
            intent: {name: ModelProfile.model_validate(profile) for name, profile in models.items()}
            for intent, models in data["profiles"].items()
        },
        "fleet": Fleet.model_validate(data["fleet"]),
        "selection": Selection.model_validate(data["selection"]),
        "rejections": (),
        "calibration": data["calibration"],
        "inputs": Inputs.model_validate(data["inputs"]),
        "in_place": {"onnxruntime": frozenset({"batch", "replicas", "rate_per_s", "max_delay_s"})},
        "version": "0.1.0",
        "files": {"intents": ["intents/"], "state": ".aios/state.json"},
    }


@pytest.fixture
def planned(given: dict[str, Any]) -> Callable[..., Plan]:
    """Plan against a state (empty unless given), with any argument changed."""

    def make(state: State | None = None, **changes: Any) -> Plan:
        return make_plan(**{**given, "state": state or State(lineage="new", serial=0), **changes})

    return make
