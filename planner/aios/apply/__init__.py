"""9 Apply: carries out the actions of a plan through executors, journaled, and decides nothing.

``core`` says what to do next, given what happened (no world, no clock, no files); ``engine`` does it. Before an
executor is called the journal and the state say what is begun, so a run that is killed at any point is resumed by the
next one.
"""

from __future__ import annotations

from aios.apply.engine import execute, roll_back
from aios.apply.reporting import Event, Report, Result
from aios.apply.undo import Undo, undo_actions, unfinished_run

__all__ = ["Event", "Report", "Result", "Undo", "execute", "roll_back", "undo_actions", "unfinished_run"]
