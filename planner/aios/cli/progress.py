"""Talk on stderr while something takes time: a live line at a terminal, plain lines in a pipeline."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

from aios.cli.words import Ink

__all__ = ["Progress"]

_QUIET_S = 2.0
"""What is done sooner needs no word."""


class Progress:
    """As a context: shows the latest text given to it, with the seconds since it began, once two have passed."""

    def __init__(self, title: str, quiet: bool = False) -> None:
        self._title = title
        self._ink = Ink(sys.stderr)
        self._live = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._text = ""
        self._began = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def __call__(self, text: str) -> None:
        """Say what is being done now."""
        self._text = text
        if not self._live and not self._quiet:
            print(f"{self._title}: {text}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._live:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._live:
            self._thread.join()

    def _redraw(self) -> None:
        if self._done.wait(_QUIET_S):
            return
        while not self._done.wait(0.2):
            seconds = time.monotonic() - self._began
            line = f"{self._title} {seconds:4.0f} s  {self._text}"[:110]
            sys.stderr.write(f"\r\x1b[2K{self._ink(line, 'dim')}")
            sys.stderr.flush()
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
