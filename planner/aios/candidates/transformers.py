"""What all candidates of one transformer on one device type share, whether they serve it or train it."""

from __future__ import annotations

from typing import NamedTuple

from aios.candidates.hosts import Host
from aios.candidates.making import candidate_of
from aios.candidates.rejections import Rejections
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.transformer import Transformer
from aios.records.units import Dimension, format_quantity

__all__ = ["HALF", "OnDevice", "bytes_text"]

HALF = ("bf16", "fp16")
"""16-bit precisions, the preferred one first."""


class OnDevice(NamedTuple):
    """A transformer, a device type that may run it, and who runs it there.

    hosts: nodes that hold such a device · place: the device in a candidate's id, with the executor where several take
    part · decisions: choices of what the executor decides, each as what is not default in it
    """

    intent: Intent
    profile: ModelProfile
    model: Transformer
    device: DeviceType
    hosts: tuple[Host, ...]
    executor: str
    place: str
    rejections: Rejections
    decisions: tuple[tuple[tuple[str, str], ...], ...] = ((),)

    @property
    def name(self) -> str:
        """The model, as the intent calls it."""
        return self.profile.name

    def candidate(self, **own: object) -> Candidate:
        """Return a candidate without validating it. own: its further fields."""
        return candidate_of(self.intent, self.profile, self.device, self.executor, **own)


def bytes_text(size: float) -> str:
    """Return a size for people: ``16 GiB``."""
    return format_quantity(size, Dimension.BYTES)
