"""Errors for people, of processes that seldom have any: what errors are made of is loaded when there is one.

A service that decrypts its model would else wait a tenth of a second for the records' library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.records.errors import InputError, WorldError

__all__ = ["input_error", "world_error"]


def input_error(
    summary: str, reason: str | None = None, remedy: str | None = None, command: str | None = None
) -> InputError:
    """Return the error of something that was given."""
    from aios.records.errors import Diagnostic, InputError

    return InputError(Diagnostic(summary=summary, reason=reason, remedy=remedy, command=command))


def world_error(
    summary: str, reason: str | None = None, remedy: str | None = None, command: str | None = None
) -> WorldError:
    """Return the error of something that stands in the world."""
    from aios.records.errors import Diagnostic, WorldError

    return WorldError(Diagnostic(summary=summary, reason=reason, remedy=remedy, command=command))
