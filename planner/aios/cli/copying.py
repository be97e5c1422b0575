"""state pull, push and restore, in words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit, save_text
from aios.cli.progress import Progress
from aios.records.errors import Diagnostic, InputError, UsageError

if TYPE_CHECKING:
    from aios.records.state import State
    from aios.workflow.copying import Put
    from aios.workflow.setting import Setting

__all__ = ["pull", "push", "restore"]


def pull(setting: Setting, run: int | None, out: Path | None) -> int:
    """Print or write the state."""
    from aios.workflow.copying import pull as work

    text = work(setting, run)
    if out is None:
        sys.stdout.write(text)
    else:
        save_text(out, text)
    return Exit.DONE


def push(setting: Setting, file: str, *, force: bool, json: bool) -> int:
    """Put a state in place of what is kept."""
    from aios.workflow.copying import push as work

    try:
        document = setting.stdin() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError(Diagnostic(summary=f"{file} cannot be read", reason=error.strerror)) from None
    return _told(work(_telling(setting, json), document, "standard input" if file == "-" else file, force=force), json)


def restore(setting: Setting, run: int | None, *, yes: bool, json: bool) -> int:
    """Put back the state that a run left."""
    from aios.workflow.copying import restore as work

    if not yes:
        _ask()
    return _told(work(_telling(setting, json), run), json)


def _telling(setting: Setting, json: bool) -> Setting:
    from dataclasses import replace

    return replace(setting, tell=Progress("state", quiet=json))


def _ask() -> None:
    """Return if the answer is yes. Raises UsageError otherwise, or where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError(
            Diagnostic(
                summary="restore asks before it replaces the state, and there is no terminal to ask at",
                remedy="pass --yes",
                command="aios state restore --yes",
            )
        )
    sys.stderr.write("replace what aios believes to stand by what an earlier run left? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(Diagnostic(summary="not approved: the state stays"))


def _told(put: Put, json: bool) -> int:
    kept = ", ".join(sorted(put.after.resources)) or "nothing"
    what = "put" if put.run is None else f"put back what run @{put.run} left"
    words = f"{what}: serial {put.after.serial}, it lists {kept}; it took the place of {_said(put.before)}"
    if put.before == put.after:
        words = f"nothing to put: serial {put.after.serial}, which is kept, says the same; it lists {kept}"
    document = {"run": put.run, "before": put.before and put.before.serial, "serial": put.after.serial}
    emit(f"{words}\nnext: aios plan", document, json=json)
    return Exit.DONE


def _said(before: State | None) -> str:
    return "one that could not be read" if before is None else f"serial {before.serial}"
