"""adopt, in words."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aios.cli.applying import ask, need_approval
from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.words import Ink, one_line, shown
from aios.records.candidate import label_of
from aios.records.errors import Diagnostic, UsageError
from aios.spi.executor import Hint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.workflow.adopting import Adoption
    from aios.workflow.setting import Setting

__all__ = ["adopt", "hint_of"]


def hint_of(endpoint: str | None, folder: str | None, handle: str | None) -> Hint:
    """Return where to look. handle: JSON. Raises UsageError for more than one place, or a handle that is none."""
    if sum(item is not None for item in (endpoint, folder, handle)) > 1:
        summary = "--endpoint, --folder and --handle each say where it is: give one"
        raise UsageError(Diagnostic(summary=summary))
    return Hint(endpoint, folder, None if handle is None else _handle(handle))


def _handle(text: str) -> Mapping[str, Any]:
    try:
        found = jsonlib.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        summary, remedy = "--handle is no JSON object", "write it as `aios status --json` shows it under `handle`"
        raise UsageError(Diagnostic(summary=summary, remedy=remedy))
    return found


def adopt(setting: Setting, address: str, executor: str, hint: Hint, *, yes: bool, json: bool) -> int:
    """Find what runs already, show it, ask, and take it over."""
    from aios.workflow.adopting import adopt as work
    from aios.workflow.adopting import to_adopt

    need_approval(yes, "adopt", [address])
    with Progress("adopt", quiet=json) as progress:
        seen = to_adopt(replace(setting, tell=progress.doing), address, executor, hint)
    stream = sys.stderr if json else sys.stdout
    print(shown("\n".join(_words(seen, Ink(stream))), Ink(stream)), file=stream)
    if not yes:
        ask(f"take it over as {address}?")
    done = work(setting, seen, hint)
    deployment = done.found.deployment.model_dump(mode="json")
    document = {"address": address, "executor": executor, "deployment": deployment, "next": done.next}
    emit(f"{Ink(sys.stdout)('adopted', 'green')} {address}, as it runs", document, json=json)
    return Exit.DONE


def _words(seen: Adoption, ink: Ink) -> Iterator[str]:
    found, deployment = seen.found, seen.found.deployment
    what = f"{deployment.model} {label_of(deployment, ' ')} on {deployment.device}"
    size = f"batch {deployment.batch}, threads {deployment.threads}, replicas {deployment.replicas}"
    yield f"{ink('found', 'dim')} {one_line(f'{deployment.intent}: {what}, {size}')}"
    yield f"{ink('proved', 'dim')} {one_line(found.note)}"
    yield f"{ink('files', 'dim')} {one_line(found.folder)}"
    for action in seen.next:
        yield f"{ink('next plan', 'dim')} {action.action} {one_line(f'{action.address}: {action.reason}')}"
    if seen.plan is None:
        yield ink("no intent was given to compare it with: the next `aios plan` says what it would change", "dim")
    elif seen.plan.conflict is not None:
        yield f"{ink('note', 'yellow')}: the intents have no plan now, so it is not compared with one"
