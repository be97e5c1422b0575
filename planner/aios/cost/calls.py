"""What one call of an engine takes: the part of a service's time that measuring the engine alone can check."""

from __future__ import annotations

from typing import NamedTuple

from aios.cost.evidence import Evidence, Library
from aios.cost.interval import Interval, Unknown
from aios.cost.network_time import NetworkTimes
from aios.cost.service import Workbench
from aios.records.base import Source
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.model import ModelProfile

__all__ = ["CallTime", "call_time"]


class CallTime(NamedTuple):
    """Seconds per call of the candidate's batch. correction: digest of the correction that it was made with"""

    time: Interval
    source: Source
    basis: str
    correction: str | None


def call_time(candidate: Candidate, profile: ModelProfile, device: DeviceType, evidence: Evidence) -> CallTime | None:
    """Return what a call takes by all that is known; None where that says nothing, or the model answers in tokens."""
    if profile.transformer is not None:
        return None
    learnt = NetworkTimes((candidate,), {candidate.model: profile}, {device.name: device}, evidence.calibrations)
    found = Workbench(Library(evidence), learnt).call_of(candidate, profile, device)
    if isinstance(found, Unknown):
        return None
    return CallTime(found.time, found.source, found.basis, found.correction)
