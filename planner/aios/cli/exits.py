"""Exit codes, the same for every command, and how an error becomes one."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.records.errors import AiosError

__all__ = ["EPILOGUE", "Exit", "exit_of"]


class Exit(IntEnum):
    """What the caller learns from the process alone."""

    DONE = 0
    INPUT = 1
    CHANGES = 2
    INFEASIBLE = 3
    CONFLICT = 4
    BROKEN = 5
    WORLD = 6
    USAGE = 64
    BUG = 70
    INTERRUPTED = 130


EPILOGUE = (
    "Exit codes: 0 done (with --detailed-exitcode: no change), 1 error in what was given, "
    "2 changes (with --detailed-exitcode), 3 infeasible, 4 stale plan, state conflict or lock held, "
    "5 a promise is broken, 6 the world failed or a search ended with neither a plan nor a proof (unknown), "
    "64 wrong command line, 70 a bug in aios."
)


def exit_of(error: AiosError) -> Exit:
    """Return the exit code of an error."""
    from aios.records.errors import ConflictError, InputError, UsageError, WorldError

    codes = (
        (InputError, Exit.INPUT),
        (UsageError, Exit.USAGE),
        (ConflictError, Exit.CONFLICT),
        (WorldError, Exit.WORLD),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), Exit.BUG)
