"""Ctrl-C during a search: stop searching and tell the best plan so far, with its gap.

Who runs a command says that this is wanted (``allow``) and asks for it from its signal handler (``interrupt``). The
engine then ends the search that runs, and later ones are short: what was found is still placed and checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["allow", "came", "interrupt", "searching", "stopping"]


@dataclass
class _State:
    """allowed: whether to tell the best so far · searching: whether there is a search to stop · came: whether it was
    stopped · stop: ends the one that runs"""

    allowed: bool = False
    searching: bool = False
    came: bool = False
    stop: Callable[[], None] | None = None


_STATE = _State()


def allow() -> None:
    """Say that an interrupted search is to end with the best plan so far."""
    _STATE.allowed = True


def interrupt() -> bool:
    """Stop the search that runs; say whether there was one. The second time there is none to be patient with."""
    if not (_STATE.allowed and _STATE.searching) or _STATE.came:
        return False
    _STATE.came = True
    if _STATE.stop is not None:
        _STATE.stop()
    return True


def came() -> bool:
    """Say whether a search was stopped."""
    return _STATE.came


@contextmanager
def searching() -> Iterator[None]:
    """Mark what may be stopped: all searches in it together."""
    _STATE.searching = True
    try:
        yield
    finally:
        _STATE.searching = False


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Name what ends the search that runs now."""
    _STATE.stop = stop
    try:
        yield
    finally:
        _STATE.stop = None
