"""What was left out and why: one row per family, in the order in which it was met."""

from __future__ import annotations

from collections.abc import Iterable

from aios.records.candidate import Rejection
from aios.records.intent import Intent
from aios.records.where import PlacementRules

__all__ = ["Rejections"]


_DONE = {"compression": "compressed", "quantization": "quantised"}
"""Fields whose value ``none`` says that nothing is done, and what is not done then."""


class Rejections:
    """Collects rejections of one enumeration; the same row twice is kept once."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent
        self._rows: dict[tuple[str, str, str, str], Rejection] = {}

    def add(self, what: str, clause: str, reason: str, by: str = "candidates", resolvable: str | None = None) -> None:
        """Note that the family ``what`` is left out."""
        row = Rejection(what=what, clause=clause, reason=reason, by=by, resolvable=resolvable)
        self._rows.setdefault((what, clause, reason, by), row)

    def rows(self) -> tuple[Rejection, ...]:
        """Return what was collected, oldest first."""
        return tuple(self._rows.values())

    @property
    def rules(self) -> PlacementRules:
        """The intent's rules about where it may stand."""
        return self._intent.placement

    def allows(self, field: str, name: str | int, what: str) -> bool:
        """Say whether pin and exclude of the intent leave ``name`` in; note the rejection of ``what`` if not.

        field: one of the fields of Constraints.
        """
        pinned, excluded = getattr(self._intent.pin, field), getattr(self._intent.exclude, field)
        if pinned and name not in pinned:
            listed = _listed(pinned)
            reason, remedy = f"{name} is not among what the intent pins", f"unpin {field}"
            if name == "none":
                reason = f"it is not {_DONE[field]}, and the intent pins {listed}{self._at(f'pin.{field}')}"
                remedy = f"add none to pin.{field}, or {remedy}"
            self.add(what, f"pin.{field}: {listed}", reason, "intent", remedy)
            return False
        if name in excluded:
            listed = _listed(excluded)
            reason = f"the intent excludes {name}"
            if name == "none":
                reason = f"the intent excludes what is not {_DONE[field]}{self._at(f'exclude.{field}')}"
            self.add(what, f"exclude.{field}: {listed}", reason, "intent", f"do not exclude {field} {name}")
            return False
        return True

    def _at(self, field: str) -> str:
        """Return in words where the intent says something; nothing where that is not known."""
        where = self._intent.spans.get(f"spec.{field}")
        return f" at {where}" if where is not None else ""

    def pins(self, field: str, name: str | None = None) -> bool:
        """Say whether the intent pins ``field`` at all, or to ``name``."""
        pinned = getattr(self._intent.pin, field)
        return bool(pinned) if name is None else name in pinned

    def check_known(self, field: str, known: Iterable[str], place: str) -> None:
        """Note every pinned name that is not among the ``known`` ones of ``place``: a pin to it leaves nothing."""
        names = sorted(known)
        for name in getattr(self._intent.pin, field):
            if name not in names:
                has = ", ".join(names) or "none"
                self.add(
                    f"{field} {name}", f"pin.{field}: {name}", f"{place} has no {field} {name}; it has: {has}", "intent"
                )


def _listed(names: Iterable[str | int]) -> str:
    return ", ".join(str(name) for name in names)
