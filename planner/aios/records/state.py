"""What aios did and therefore looks after."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, ValidationError, field_serializer

from aios.records.base import Record, canonical_json
from aios.records.data import DataFile
from aios.records.errors import ConflictError, Diagnostic
from aios.records.plan import ActionKind, Claim, Deployment

__all__ = ["NEW", "STATE_VERSION", "Resource", "Resources", "State", "Touched", "UnfinishedRun"]

STATE_VERSION = 2
"""Version of the state: a newer one is refused, never rewritten; an older one is read, and saved as this one. It grows
with every key that an older aios does not know: 2 has runs that are not finished, and services that are protected."""

NEW = "new"
"""Lineage of a state that was never written: a plan for it has the same bytes every time. The first save names it."""


class Resource(Record):
    """Something that an executor made.

    handle: what the executor needs to find it again (pid and start time, port, log file...); only the executor reads
    it ·
    applied_at: ISO time, UTC · prevent_destroy: it is neither deleted nor replaced
    """

    address: str
    executor: str
    deployment: Deployment
    handle: Mapping[str, Any]
    claims: tuple[Claim, ...] = ()
    evaluate: tuple[DataFile, ...] = ()
    plan: str
    applied_at: str
    unfinished: ActionKind | None = None
    prevent_destroy: bool = Field(default=False, exclude_if=lambda prevented: not prevented)


class Touched(Record):
    """An address that a run has begun to change. action: what it began with · before: what stood there, if anything"""

    address: str
    action: ActionKind
    before: Resource | None


class UnfinishedRun(Record):
    """A run that has begun and has not come to its end.

    plan: its id, or a word for what is no plan · touched: in the order in which they were begun · back: what it did is
    being taken back
    """

    plan: str
    touched: tuple[Touched, ...] = ()
    back: bool = False


class Resources(Mapping[str, Resource]):
    """Address -> resource, each known by its text, as a record, or both: of ten thousand that stand, a command reads
    the few that it is about, and an apply writes anew the one that it changed.

    Immutable; in the order of addresses. A text that is no resource raises ConflictError when it is read.
    """

    def __init__(self, records: Mapping[str, Resource], texts: Mapping[str, str] | None = None) -> None:
        """texts: canonical JSON of each; of those that are not among ``records`` at least"""
        self._texts = dict(texts or {})
        self._records = dict(records)
        self._addresses = sorted(self._texts.keys() | self._records.keys())

    def __getitem__(self, address: str) -> Resource:
        found = self._records.get(address)
        if found is None:
            found = self._records[address] = _read(address, self._texts[address])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)

    def __contains__(self, address: object) -> bool:
        return address in self._records or address in self._texts

    def __eq__(self, other: object) -> bool:
        return dict(self) == dict(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # as of any mapping

    def __repr__(self) -> str:
        return repr(dict(self))

    def text(self, address: str) -> str:
        """Return the canonical JSON of a resource."""
        found = self._texts.get(address)
        if found is None:
            found = self._texts[address] = canonical_json(self._records[address])
        return found

    def changed(self, changes: Mapping[str, Resource | None]) -> "Resources":
        """Return these with what ``changes`` says at its addresses; None takes one out."""
        if not changes:
            return self
        records, texts = dict(self._records), dict(self._texts)
        for address, resource in changes.items():
            records.pop(address, None)
            texts.pop(address, None)
            if resource is not None:
                records[address] = resource
        return Resources(records, texts)


def _read(address: str, text: str) -> Resource:
    try:
        return Resource.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (address, *first["loc"])))
        summary = f"what the state says of {address} cannot be read: {place}: {first['msg']}"
        remedy = "put back a state that an earlier run left"
        raise ConflictError(Diagnostic(summary=summary, remedy=remedy, command="aios state restore")) from None


class State(Record):
    """The state file's content.

    lineage: made once per state · serial: grows by one with every write · run: the last run, unless it is finished
    """

    version: int = STATE_VERSION
    lineage: str
    serial: int
    resources: Mapping[str, Resource] = {}
    run: UnfinishedRun | None = Field(default=None, exclude_if=lambda run: run is None)

    @field_serializer("resources")
    def _plain(self, resources: Mapping[str, Resource]) -> dict[str, Resource]:
        return dict(resources)

    def following(self, changes: Mapping[str, Resource | None], run: UnfinishedRun | None = None) -> Self:
        """Return the next serial with ``changes``, where None takes an address out. run: unless finished"""
        held = self.resources if isinstance(self.resources, Resources) else Resources(self.resources)
        return self.model_copy(update={"serial": self.serial + 1, "resources": held.changed(changes), "run": run})
