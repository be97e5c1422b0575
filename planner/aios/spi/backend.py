"""Where a state is kept: the protocol of state backends, found by the scheme of a URL.

A backend keeps four things of one state: the state itself, the lock around it, the lines of the apply journal, and the
record of every run. It knows nothing of what they mean. Rules, each one a test of ``aios.spi.backend_conformance``:
what a call has returned from survives a crash; a state that is not the next serial is refused; of two that lock, one
holds; the lock of a process that has ended ends with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from aios.records.errors import ConflictError, Diagnostic
from aios.records.history import Run
from aios.records.state import State
from aios.spi.executor import Journal
from aios.spi.owner import Owner

__all__ = [
    "KEPT_STATES",
    "Backend",
    "BackendKind",
    "Held",
    "Hold",
    "Lines",
    "Lock",
    "Owner",
    "StateKeeper",
    "WriteAheadJournal",
]


KEPT_STATES = 50
"""Runs whose state is kept to go back to; of older ones the record and the plan stay."""


class Hold(NamedTuple):
    """A lock that is held, or was left behind.

    owner: None where nothing says who · alive: whether its process still runs, None where nobody here can tell
    """

    owner: Owner | None
    alive: bool | None


class Held(ConflictError):
    """Somebody else holds the lock. hold: who"""

    def __init__(self, diagnostic: Diagnostic, hold: Hold) -> None:
        super().__init__(diagnostic)
        self.hold = hold


class Lock(Protocol):
    """The lock around a state, as a context; entering it raises Held while somebody else holds it. It does not wait."""

    owner: Owner

    @property
    def notice(self) -> str | None:
        """What people should know about how the lock was got, such as from whom it was taken over."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines(Protocol):
    """The journal's lines, run by run; what they mean is for the journal to know. Write only with the lock held."""

    def runs(self) -> Sequence[int]:
        """Return the numbers of the runs that are kept, in order."""

    def read(self, run: int) -> Iterator[bytes]:
        """Yield the lines of a run that are whole, without line breaks. Raises WorldError."""

    def begin(self, run: int) -> None:
        """Start a run, which must be new: what is appended belongs to it."""

    def append(self, line: bytes) -> None:
        """Append a line to the run that was begun; it is durable when this returns.

        Raises WorldError (disk full, connection lost...): nothing is appended then.
        """

    def forget(self, runs: Collection[int]) -> None:
        """Drop the lines of these runs."""

    def where(self, run: int) -> str:
        """Return where the lines of a run are, for people."""

    def aside(self, run: int) -> str:
        """Return the command line that puts the lines of a run aside, so that they are no longer read."""

    def close(self) -> None:
        """Let go of what ``begin`` opened."""


class StateKeeper(Protocol):
    """Where the state is kept; whoever saves holds its lock."""

    def load(self) -> State:
        """Return the state; serial 0 and lineage ``new`` where none was ever saved.

        Raises ConflictError for one that is damaged or newer than this aios, with the way back; WorldError where it
        cannot be read.
        """

    def save(self, state: State) -> State:
        """Write ``state``, whose serial must be one more than that of the one that is kept, of the same lineage.

        Returns what was written: the first save gives the state its lineage. Raises ConflictError when somebody else
        wrote in between, or what is kept is damaged: nothing is overwritten then.
        """


class Backend(StateKeeper, Protocol):
    """One state, with its lock, journal and history. Making one touches nothing; the first use opens what it needs."""

    @property
    def place(self) -> str:
        """What ``--state`` takes to come back here, for plans and people. Holds no secret, only where one stands."""

    def restore(self, state: State) -> State:
        """Write ``state`` over whatever is kept, readable or not, with a serial beyond both; return it as written."""

    def lock(self, owner: Owner) -> Lock:
        """Return the lock, to be entered for ``owner``."""

    def holder(self) -> Hold | None:
        """Return who holds the lock, or left it behind; None where it is free."""

    def release(self) -> None:
        """Take the lock away from whoever holds it: who does holds it no more, and cannot save any more."""

    def lines(self) -> Lines:
        """Return the journal's lines."""

    def runs(self, last: int | None = None) -> Sequence[Run]:
        """Return what was recorded, in the order of their numbers. last: only so many of the newest

        Raises ConflictError for a damaged record.
        """

    def record(self, run: Run, plan: str | None = None) -> Run:
        """Record a run and return it as recorded: one without a number gets the next; one with it replaces that one.
        The state as it stands is kept beside the record of a run that has ended, for the last `KEPT_STATES` runs.

        plan: text of its plan document, kept beside it; None leaves what is kept
        """

    def plan_of(self, number: int) -> str | None:
        """Return the text of a run's plan document; None where it had none, or there is no such run."""

    def state_after(self, number: int) -> State | None:
        """Return the state that a run left when it ended; None where it is no longer kept, or there is no such run.

        Raises ConflictError for one that is damaged.
        """

    def warnings(self) -> Sequence[str]:
        """Return what people should know of this place, such as that anybody may write to it; a sentence each."""

    def close(self) -> None:
        """Let go of what was opened; a lock that is still held goes too."""


class BackendKind(Protocol):
    """What an entry point of the group ``aios.state_backends`` names: backends of one scheme of URLs.

    Its module must import without its driver; the driver is imported when used. title: what it is, in a few words ·
    example: a URL
    """

    name: ClassVar[str]
    api_version: ClassVar[int]
    title: ClassVar[str]
    example: ClassVar[str]

    def open(self, url: str) -> Backend:
        """Return the backend of ``url``, without touching it.

        Raises InputError for a URL that says something wrong, or a secret: that is referred to (``env:NAME``).
        """


class WriteAheadJournal(Protocol):
    """The write-ahead journal of this run, with the memory of those that were interrupted."""

    def begin(self, plan: str, state: State) -> None:
        """Start the run's own lines."""

    def record(self, event: str, **facts: Any) -> None:
        """Append a line; it is durable when this returns."""

    def end(self, complete: bool) -> None:
        """Close the run."""

    def outcome(self, address: str) -> Mapping[str, Any] | None:
        """Return the handle that the state was not told of before a run ended."""

    def action(self, address: str) -> Journal:
        """Return the narrow journal for an executor."""
