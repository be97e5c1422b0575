"""unlock, in words."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.records.errors import Diagnostic, UsageError

if TYPE_CHECKING:
    from aios.workflow.setting import Setting

__all__ = ["unlock"]


def unlock(setting: Setting, lock: str | None, *, force: bool, yes: bool, json: bool) -> int:
    """Release the lock, once it is plain whose it is and that it is meant."""
    from aios.workflow.unlocking import holding, release

    held = holding(setting, lock, force=force)
    if held is None:
        emit("nobody holds the lock", {"released": None}, json=json)
        return Exit.DONE
    if not yes:
        _ask(held.text, lock)
    release(setting, lock, force=force)
    emit(f"released: {held.text}", {"released": held.owner}, json=json)
    return Exit.DONE


def _ask(text: str, lock: str | None) -> None:
    """Return if the answer is yes. Raises UsageError otherwise, or where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError(
            Diagnostic(
                summary=f"unlock asks before it releases the lock of {text}, and there is no terminal to ask at",
                remedy="make sure that this run has ended, then pass --yes",
                command=shlex.join(["aios", "unlock", *([lock] if lock else []), "--yes"]),
            )
        )
    sys.stderr.write(f"release the lock of {text}? Two runs at once may damage what they both change. [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(Diagnostic(summary="not approved: the lock stays"))
