"""hardware diff."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import Ink, counted, harmless

if TYPE_CHECKING:
    from aios.fleet.comparing.difference import Change

__all__ = ["diff"]

_COLOURS = {"added": "green", "removed": "red"}
_SIGNS = {"added": "+", "removed": "-"}


def diff(old: str, new: str, stdin: Callable[[], bytes], *, detailed: bool, json: bool, json_into: Path | None) -> int:
    """Say what changed between two fleet files."""
    from aios.workflow.comparing import compare_fleets

    before, after, changes = compare_fleets(old, new, stdin)
    ink = Ink(sys.stdout)
    lines = [_line(change, ink) for change in changes] + ["", counted(len(changes), "difference")]
    words = "\n".join(lines) if changes else "no difference"
    document = {"old": before.digest, "new": after.digest, "changes": changes}
    emit(words, document, json=json, json_into=json_into)
    return Exit.CHANGES if changes and detailed else Exit.DONE


def _line(change: Change, ink: Ink) -> str:
    sign = _SIGNS.get(change.what, "~")
    return f"{ink(sign, _COLOURS.get(change.what, 'yellow'))} {harmless(change.text)}"
