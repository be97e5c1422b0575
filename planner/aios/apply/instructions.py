"""The words between the core of apply and its shell: what the core may ask for, and what it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aios.apply.reporting import Event
from aios.records.errors import Diagnostic
from aios.records.plan import Action
from aios.records.state import State
from aios.spi.executor import Observation, Outcome

__all__ = ["Answer", "CarryOut", "Instruction", "Look", "Note", "Proceed", "Reply", "Save", "Tell", "Trouble", "Turn"]


@dataclass(frozen=True)
class Proceed:
    """Ask how things stand; answered by a Turn: at once where nothing runs, else when something has ended."""


@dataclass(frozen=True)
class Note:
    """Write a line to the journal."""

    event: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Save:
    """Write the state; answered by the State as it was written."""

    state: State


@dataclass(frozen=True)
class CarryOut:
    """Have the executor act, beside whatever else runs; a later Turn brings an Outcome or Trouble.

    key: names this action in that Turn
    """

    key: int
    action: Action
    prior: Mapping[str, Any] | None


@dataclass(frozen=True)
class Look:
    """Have the executor observe, beside whatever else runs; a later Turn brings an Observation or Trouble."""

    key: int
    action: Action
    handle: Mapping[str, Any] | None


@dataclass(frozen=True)
class Tell:
    """Report progress."""

    event: Event


@dataclass(frozen=True)
class Trouble:
    """Why an executor did not do what it was asked to."""

    diagnostics: tuple[Diagnostic, ...]


Reply: TypeAlias = Outcome | Observation | Trouble
"""What an executor answered with."""


@dataclass(frozen=True)
class Turn:
    """How things stand.

    stop: begin nothing more · at: ISO time, UTC · ended: key and reply of everything that has ended since the last Turn
    """

    stop: bool
    at: str
    ended: tuple[tuple[int, Reply], ...] = ()


Instruction: TypeAlias = Proceed | Note | Save | CarryOut | Look | Tell
Answer: TypeAlias = Turn | State | None
