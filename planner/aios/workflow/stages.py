"""The stages of a command: what is being done, for how long, with what outcome; told to whoever watches.

One place feeds the log of the run, the trace and the progress line. Without a watcher a stage costs next to nothing.
Whatever watchers are told has been cleaned of secrets. The rooms know nothing of this: they stay pure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, Protocol, TypeAlias

__all__ = [
    "LEVELS",
    "Level",
    "Stage",
    "Watcher",
    "begin",
    "finish",
    "note",
    "of_command",
    "stage",
    "unwatch",
    "watch",
    "watched",
]

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
"""From the one that tells most to the one that tells least."""


class Stage:
    """A piece of work. attributes: facts about it, which may be added until it ends · seconds: once it has ended."""

    def __init__(self, name: str, level: Level, parent: Stage | None, attributes: Mapping[str, Any]) -> None:
        self.name = name
        self.level = level
        self.parent = parent
        self.attributes: dict[str, Any] = _clean(attributes) if _WATCHERS else {}
        self.seconds = 0.0
        self._began = time.perf_counter()

    def note(self, **attributes: Any) -> None:
        """Add facts, such as what came of it."""
        if _WATCHERS:
            self.attributes.update(_clean(attributes))

    def stop(self) -> None:
        """Take the time."""
        self.seconds = time.perf_counter() - self._began


class Watcher(Protocol):
    """Whoever is told of stages; may be told from several threads, and never raises."""

    def wants(self, level: Level) -> bool:
        """Say whether events of ``level`` are of any use: there may be a hundred thousand."""

    def begin(self, stage: Stage) -> None:
        """Learn that ``stage`` begins."""

    def end(self, stage: Stage, error: BaseException | None) -> None:
        """Learn that ``stage`` has ended, by ``error`` if that is given."""

    def event(self, name: str, level: Level, facts: Mapping[str, Any], stage: Stage | None) -> None:
        """Learn of something that happened during ``stage``."""


_WATCHERS: list[Watcher] = []
_CURRENT: ContextVar[Stage | None] = ContextVar("stage", default=None)
_OUTERMOST: list[Stage] = []
"""The stage of the command itself: the parent of what threads begin that know of none."""


def watch(watcher: Watcher) -> None:
    """Tell ``watcher`` of every stage from now on."""
    _WATCHERS.append(watcher)


def unwatch() -> None:
    """Tell nobody any more."""
    _WATCHERS.clear()
    _OUTERMOST.clear()
    _CURRENT.set(None)


def watched() -> bool:
    """Say whether anybody watches."""
    return bool(_WATCHERS)


def begin(name: str, *, level: Level = "info", parent: Stage | None = None, **attributes: Any) -> Stage:
    """Begin a stage that `finish` ends, for work that is no block of code. parent: the stage around by default"""
    made = Stage(name, level, parent or _around(), attributes)
    if _WATCHERS and not _OUTERMOST:
        _OUTERMOST.append(made)
    for watcher in _WATCHERS:
        watcher.begin(made)
    return made


def finish(ended: Stage, error: BaseException | None = None) -> None:
    """End a stage."""
    ended.stop()
    for watcher in _WATCHERS:
        watcher.end(ended, error)


@contextmanager
def stage(
    name: str,
    tell: Callable[[str], None] | None = None,
    text: str = "",
    *,
    level: Level = "info",
    parent: Stage | None = None,
    **attributes: Any,
) -> Iterator[Stage]:
    """Mark a block of code as one stage. tell: receives ``text``, one line for people · level: it is logged at."""
    if tell is not None:
        tell(text)
    made = begin(name, level=level, parent=parent, **attributes)
    token = _CURRENT.set(made)
    try:
        yield made
    except BaseException as error:
        finish(made, error)
        raise
    else:
        finish(made)
    finally:
        _CURRENT.reset(token)


def of_command(**facts: Any) -> None:
    """Add facts to the stage of the command itself, such as the plan that it is about."""
    for outermost in _OUTERMOST:
        outermost.note(**facts)


def note(name: str, level: Level = "info", **facts: Any) -> None:
    """Tell of something that happens in the stage around."""
    told = [watcher for watcher in _WATCHERS if watcher.wants(level)]
    if not told:
        return
    cleaned, around = _clean(facts), _around()
    for watcher in told:
        watcher.event(name, level, cleaned, around)


def _clean(facts: Mapping[str, Any]) -> dict[str, Any]:
    from aios.workflow.redacting import clean  # its patterns take milliseconds to compile

    cleaned: dict[str, Any] = clean(facts)
    return cleaned


def _around() -> Stage | None:
    return _CURRENT.get() or (_OUTERMOST[0] if _OUTERMOST else None)
