"""Talk on stderr while something takes time: a live line at a terminal, plain lines in a pipeline."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aios.cli.words import Ink, harmless
from aios.workflow.stages import note

__all__ = ["Progress"]

_QUIET_S = 2.0
"""What is done sooner needs no word."""
_REPEAT_S = 10.0
"""After which a pipeline hears again of what still goes on."""


class Progress:
    """As a context: shows the latest text given to it, with the seconds since it began, once two have passed."""

    def __init__(self, title: str, quiet: bool = False) -> None:
        self._title = title
        self._ink = Ink(sys.stderr)
        self._live = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._text = self._told = ""
        self._worded: Callable[[], str] | None = None
        self._began = self._said = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._redraw if self._live else self._repeat, daemon=True)

    def __call__(self, text: str) -> None:
        """Say what is being done now."""
        self.doing(text)
        if not self._live and not self._quiet:
            self._told = text
            self._print(text)

    def doing(self, text: str, worded: Callable[[], str] | None = None) -> None:
        """Note what is being done now, which is said only if it takes long. worded: says the same at the time of
        telling, with how long each part of it takes"""
        self._text, self._worded = text, worded
        note("progress", text=text)

    def now(self) -> str:
        """Return what goes on now, with how long it has."""
        worded = self._worded
        return worded() if worded else f"{self._text or 'working'}, {time.monotonic() - self._began:.0f} s"

    def begun(self, line: str, text: str, worded: Callable[[], str]) -> None:
        """Say that something begins beside what goes on. text, worded: all that goes on now, see `doing`"""
        self.doing(text, worded)
        if not self._live and not self._quiet:
            self._told = text
            self._print(line)

    def __enter__(self) -> Self:
        self._began = self._said = time.monotonic()
        if not self._quiet:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if not self._quiet:
            self._thread.join()

    def _print(self, text: str) -> None:
        self._said = time.monotonic()
        print(f"{self._title}: {harmless(text)}", file=sys.stderr, flush=True)

    def _repeat(self) -> None:
        """Say in a pipeline what goes on: after two seconds without a word, when that changes, and now and then."""
        while not self._done.wait(0.2):
            text, now = self._text, time.monotonic()
            if now - self._said < (_QUIET_S if text != self._told else _REPEAT_S):
                continue
            self._told = text
            self._print(self.now())

    def _redraw(self) -> None:
        if self._done.wait(_QUIET_S):
            return
        while not self._done.wait(0.2):
            seconds = time.monotonic() - self._began
            worded = self._worded
            line = harmless(f"{self._title} {seconds:4.0f} s  {worded() if worded else self._text}"[:110])
            sys.stderr.write(f"\r\x1b[2K{self._ink(line, 'dim')}")
            sys.stderr.flush()
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
