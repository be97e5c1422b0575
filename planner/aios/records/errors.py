"""What can go wrong, as the user meets it.

AiosError
├── InputError      something that was given is wrong: a file, a value, a reference (exit 1)
├── UsageError      the command line itself is wrong (exit 64)
├── ConflictError   stale plan, state conflict, lock held (exit 4)
└── WorldError      an executor, device, disk or network failed (exit 6)
    └── PluginError a plugin broke a rule of its seam: what it would have made does not exist, the machine is fine

Any other exception that reaches the command line is a bug in aios (exit 70). Infeasibility (exit 3) and broken promises
(exit 5) are results, not exceptions.

BadValue is no AiosError: it is what a validator of a written form raises, and ``records.document.check`` turns it into
a Diagnostic with a place.
"""

from collections.abc import Sequence

from aios.records.base import Record, Span

__all__ = [
    "AiosError",
    "BadValue",
    "ConflictError",
    "Diagnostic",
    "InputError",
    "PluginError",
    "UsageError",
    "WorldError",
]


class Diagnostic(Record):
    """One thing that is wrong, said so that it can be mended.

    summary: what is wrong with this value · where: place in a file, if any · line_text: that line, for the caret ·
    reason: why, if not plain · remedy: what to do · command: a command line that does it
    """

    summary: str
    where: Span | None = None
    line_text: str | None = None
    reason: str | None = None
    remedy: str | None = None
    command: str | None = None


class AiosError(Exception):
    """The root of all errors that a user can meet; carries one or more diagnostics."""

    def __init__(self, *diagnostics: Diagnostic | str) -> None:
        self.diagnostics: Sequence[Diagnostic] = tuple(
            Diagnostic(summary=item) if isinstance(item, str) else item for item in diagnostics
        )
        super().__init__("; ".join(item.summary for item in self.diagnostics))


class InputError(AiosError):
    """Something that was given is wrong."""


class UsageError(AiosError):
    """The command line itself is wrong."""


class ConflictError(AiosError):
    """The plan is stale, the state conflicts, or somebody holds the lock."""


class WorldError(AiosError):
    """An executor, a device, the disk or the network failed."""


class PluginError(WorldError):
    """A plugin broke a rule of its seam, or crashed: it would do so again."""


class BadValue(ValueError):
    """A single value is wrong: ``summary`` says what is wrong with it, ``remedy`` what to write instead."""

    def __init__(self, summary: str, remedy: str | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.remedy = remedy
