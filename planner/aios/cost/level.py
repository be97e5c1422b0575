"""Whether a calibration knows a device."""

from __future__ import annotations

from aios.records.calibration import Calibration
from aios.records.observation import Level

__all__ = ["level_of"]


def level_of(learnt: Calibration, device: str) -> Level:
    """Return calibrated where effects of this device were learnt, else zero-shot."""
    for stage in (*learnt.stages, *learnt.mixes):
        places = [index for index, key in enumerate(stage.keys) if key.endswith("device")]
        if any(effect.group[index] == device for index in places for effect in stage.effects):
            return "calibrated"
    return "zero-shot"
