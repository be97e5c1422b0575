"""Priced candidates made from values that are right by construction: a plan makes a hundred thousand of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from aios.records.base import trusted
from aios.records.candidate import Candidate, Demand, Estimate, Priced, Residence

__all__ = ["Found", "priced_of"]

Found: TypeAlias = tuple[dict[str, Estimate], dict[str, str]]
"""Metric -> estimate, and metric -> why there is none."""

_GIVEN = set(Priced.model_fields)


def priced_of(
    candidate: Candidate,
    estimates: Mapping[str, Estimate],
    demand: Demand,
    unknown: Mapping[str, str],
    residences: tuple[Residence, ...] = (),
    notes: tuple[str, ...] = (),
) -> Priced:
    """Return a priced candidate without validating it. estimates, unknown: metric -> estimate, why there is none ·
    notes: as in ``Priced``"""
    fields = {
        "candidate": candidate,
        "estimates": estimates,
        "demand": demand,
        "unknown": unknown,
        "residences": residences,
        "notes": notes,
        "periods": (),
        "pieces": 0,
    }
    return trusted(Priced, fields, _GIVEN)
