"""Watts of devices that run fixed networks, where such work was metered on the device alone.

What was metered of whole boards and servers is not taken apart: what the rest of them draws is a guess, and those that
published it had tuned their devices for it. Of devices that were not metered physics knows as much by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from aios.cost.network_setting import Setting
from aios.cost.network_time import NetworkRow, observations_of
from aios.cost.power import Drawn
from aios.cost.power_learnt import POWER, drawn_by, metered
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.model import ModelProfile

__all__ = ["NetworkPowers"]

_WORK = "inference|||||"
"""Kind of work, as the predictor calls it: calls of networks, of which the device alone is metered."""

_Key: TypeAlias = tuple[str, str, Setting, int, int]


class NetworkPowers:
    """Watts of the devices of some candidates at work; worked out together when the first one is asked for."""

    def __init__(
        self,
        candidates: Iterable[Candidate],
        profiles: Mapping[str, ModelProfile],
        types: Mapping[str, DeviceType],
        calibrations: Mapping[tuple[str, str], Calibration],
    ) -> None:
        """``candidates``: that may be asked for"""
        self._candidates = candidates
        self._profiles, self._types, self._calibrations = profiles, types, calibrations
        self._devices: frozenset[str] | None = None
        self._found: dict[_Key, Drawn | None] | None = None

    def of(self, candidate: Candidate) -> Drawn | None:
        """Return what one device draws while it works; None where its rating or such work on it is not known."""
        if self._types[candidate.device].tdp_w is None:
            return None
        if self._devices is None:
            learnt = self._calibrations.get(POWER)
            self._devices = (
                frozenset(name for work, name in metered(learnt) if work == _WORK) if learnt else frozenset()
            )
        if candidate.device not in self._devices:
            return None
        if self._found is None:
            self._found = self._all(self._devices)
        return self._found[self._row(candidate).key]

    def _row(self, candidate: Candidate) -> NetworkRow:
        profile = self._profiles[candidate.model]
        setting = Setting("power", "calibrated", candidate.executor, candidate.precision, "", 0)
        return NetworkRow(
            profile, self._types[candidate.device], setting, max(candidate.batch, profile.fixed_batch or 1)
        )

    def _all(self, devices: frozenset[str]) -> dict[_Key, Drawn | None]:
        asked = {row.key: row for row in map(self._row, self._candidates) if row.device.name in devices}
        rows = observations_of(list(asked.values()), "power")
        found = drawn_by(rows, self._types, self._calibrations.get(POWER))
        return dict(zip(asked, found, strict=True))
