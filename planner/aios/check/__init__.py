"""Recompute what the solver says, without the solver: every clause, every placement, every goal.

``audit`` takes the intents, a selection and the fleet and returns a Ledger with one row per clause. It is the readable
specification of what a valid plan is, shares no code with the room that makes plans, and runs after every solve; a
ledger that does not hold is a bug in aios.
"""

from aios.check.audit import audit, fits_at_once
from aios.check.requirement import requirement_rows
from aios.check.schedule import audit_schedule

__all__ = ["audit", "audit_schedule", "fits_at_once", "requirement_rows"]
