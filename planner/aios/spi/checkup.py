"""What can be broken: findings of `aios doctor`, and how a plugin adds its own.

A plugin of any kind (executor, probe, meter...) may have a method ``examine()``; it says what keeps the plugin from
working here, and how to mend it. It changes nothing, and answers within seconds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from aios.records.base import Record

__all__ = ["Examined", "Finding", "Health", "tried_apart"]

Health: TypeAlias = Literal["ok", "warn", "fail", "skipped"]
"""``warn`` may lead to trouble or keeps something from being used; ``fail`` is broken; ``skipped`` is not there."""


class Finding(Record):
    """One thing that was looked at.

    check: its name, such as ``gpu.nvidia`` · seen: what was seen, or why nothing was looked at · remedy: what to do ·
    command: a command line that does it
    """

    check: str
    status: Health
    seen: str
    remedy: str | None = None
    command: str | None = None


class Examined(Protocol):
    """A plugin that can say what is wrong with what it needs."""

    def examine(self) -> Sequence[Finding]:
        """Look at what the plugin needs here. Never raises because something is absent or broken."""


_APART_S = 8.0


def tried_apart(code: str, seconds: float = _APART_S) -> tuple[bool, str]:
    """Run Python ``code`` in a process of its own; return whether it ended well, with its last line, or why not.

    For imports of compiled engines: they are slow, and a broken one may take the process with it.
    """
    command = [sys.executable, "-P", "-c", code]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False, f"it did not end within {seconds:g} s"
    except OSError as error:
        return False, f"{sys.executable} does not start: {error.strerror or error}"
    said = (done.stdout if done.returncode == 0 else done.stderr).decode(errors="replace").strip()
    last = said.rpartition("\n")[2].strip()
    if done.returncode < 0:
        return False, f"the process was ended by signal {-done.returncode}"
    return done.returncode == 0, last or f"it ended with code {done.returncode}"
