"""render, in words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.policing import gate
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, counted, harmless, warned
from aios.records.errors import Diagnostic, UsageError
from aios.records.plan import Plan
from aios.workflow.rendering import INDEX, Difference, Rendered, difference, render, write
from aios.workflow.ruling import denials
from aios.workflow.saving import see_place
from aios.workflow.setting import Setting

__all__ = ["render_files"]


def render_files(
    setting: Setting, *, into: Path | None, check: bool, keep_others: bool, json: bool, json_into: Path | None
) -> int:
    """Print what a plan would hand to the world, or write it to files."""
    if check and into is None:
        raise UsageError(Diagnostic(summary="--check needs the folder to look at", remedy="name it with --into DIR"))
    if into is not None and not check:
        see_place(into / INDEX, made=True)
    plan = _plan(setting, keep_others=keep_others, quiet=json)
    if plan.conflict is not None or plan.status == "unknown" or denials(plan):
        from aios.cli.planning import code_of

        return code_of(plan)
    rendered = render(plan)
    if into is None:
        emit(_texts(rendered), _document(rendered, None), json=json, json_into=json_into)
        return Exit.DONE
    found = difference(rendered, into) if check else write(rendered, into)
    if found.edited and not check:
        left = ", ".join(str(into / path) for path in found.edited)
        warned(f"left alone, as they were changed since they were rendered and are rendered no more: {left}")
    emit(_words(rendered, found, into, check), _document(rendered, found), json=json, json_into=json_into)
    return Exit.CHANGES if check and found.any else Exit.DONE


def _plan(setting: Setting, *, keep_others: bool, quiet: bool) -> Plan:
    """Return the saved plan that was named, or plan what was."""
    from dataclasses import replace

    from aios.workflow.planfiles import is_plan_file, read_plan_file

    saved = [path for path in setting.paths if is_plan_file(path)]
    if saved:
        if len(setting.paths) > 1:
            raise UsageError(Diagnostic(summary=f"{saved[0]} is a saved plan: it is rendered alone"))
        return read_plan_file(saved[0])
    from aios.cli.planning import conflict_of
    from aios.workflow.planning import make_plan

    one_thread()
    with Progress("render", quiet=quiet) as progress:
        planned = make_plan(replace(setting, tell=progress.doing), keep_others=keep_others)
    if planned.plan.conflict is not None:
        print(conflict_of(planned, Ink(sys.stderr)), file=sys.stderr)
    elif planned.plan.status == "unknown":
        print("unknown: the search ended before a plan was found", file=sys.stderr)
    gate(planned)
    return planned.plan


def _texts(rendered: Rendered) -> str:
    return "\n".join(f"# {harmless(path)}\n{text}" for path, text in rendered.files.items()) or "nothing to render"


def _words(rendered: Rendered, found: Difference, into: Path, check: bool) -> str:
    ink = Ink(sys.stdout)
    marks = (
        ("+ new", "green", found.new),
        ("~ changed", "yellow", found.changed),
        ("- stale", "red", found.stale),
        ("! edited", "red", found.edited),
    )
    lines = [f"{ink(mark.ljust(9), colour)} {harmless(path)}" for mark, colour, paths in marks for path in paths]
    files = counted(len(rendered.files), "file")
    if not found.any:
        return f"{into} holds what is rendered: {files}"
    if check:
        lines += [] if lines else [f"~ changed {INDEX}"]
        return "\n".join([*lines, f"{into} is not what is rendered"])
    return "\n".join([*lines, f"rendered {files} into {into}"])


def _document(rendered: Rendered, found: Difference | None) -> dict[str, Any]:
    digests = rendered.digests()
    files = [{"path": path, "digest": digests[path], "text": text} for path, text in rendered.files.items()]
    return {"files": files} | ({} if found is None else found._asdict())
