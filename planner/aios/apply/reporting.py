"""What a run tells: progress while it goes on, and what each action came to."""

from typing import Literal, TypeAlias

from aios.records.base import Record
from aios.records.errors import Diagnostic
from aios.records.plan import ActionKind

__all__ = ["Event", "Report", "Result", "Status"]

Status: TypeAlias = Literal["done", "kept", "failed", "not begun", "rolled back"]
"""How an action ended: ``kept`` needed nothing, ``not begun`` is left for another run, ``rolled back`` was done and
then taken back."""


class Event(Record):
    """Progress.

    phase: ``begin`` or how it ended · text: the reason; then the executor's note, or why not · back: it takes back
    what the run did
    """

    address: str
    action: ActionKind
    phase: Literal["begin"] | Status
    text: str
    back: bool = False


class Result(Record):
    """How one action ended. note: one sentence · diagnostics: why it failed."""

    address: str
    action: ActionKind
    status: Status
    note: str
    diagnostics: tuple[Diagnostic, ...] = ()


class Report(Record):
    """What a run came to.

    interrupted: it was asked to stop; what is ``not begun`` is left for the next run · rolled_back: everything that it
    did has been taken back, and what stood before stands again
    """

    results: tuple[Result, ...]
    interrupted: bool
    rolled_back: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is so."""
        return not self.rolled_back and all(result.status in ("done", "kept") for result in self.results)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Why actions failed, all together."""
        return tuple(item for result in self.results for item in result.diagnostics)
