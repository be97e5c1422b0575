"""hardware diff: two fleet files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.fleet.comparing.difference import Change

__all__ = ["compare_fleets"]


def compare_fleets(old: str, new: str, stdin: Callable[[], bytes]) -> tuple[Fleet, Fleet, tuple[Change, ...]]:
    """Return the fleets of two files or folders and what changed. Raises InputError with the mistakes of both."""
    from aios.fleet.comparing.difference import difference

    fleets: list[Fleet] = []
    problems: list[Diagnostic] = []
    for path in (old, new):
        try:
            fleets.append(_fleet(path, stdin))
        except InputError as error:
            problems += error.diagnostics
    if problems:
        raise InputError(*problems)
    before, after = fleets
    return before, after, difference(before, after)


def _fleet(path: str, stdin: Callable[[], bytes]) -> Fleet:
    from aios.workflow.reading import read_written

    fleet = read_written(Setting(fleet=path, stdin=stdin)).fleet
    if fleet is None:
        raise InputError(f"{path} holds no fleet")
    return fleet
