"""The places on disk of a setting, opened: state, lock, journal, artefacts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aios.workflow.setting import Setting
from aios.workflow.stages import note

if TYPE_CHECKING:
    from aios.state import ArtefactStore, Lock, RunJournal, StateStore

__all__ = ["Opened", "artefacts_of", "locked", "opened", "state_of"]


class Opened:
    """State, journal and artefacts of a setting, with the lock held."""

    def __init__(self, state: StateStore, journal: RunJournal, artefacts: ArtefactStore) -> None:
        self.state = state
        self.journal = journal
        self.artefacts = artefacts


def state_of(setting: Setting) -> StateStore:
    """Return the state's store; reading needs no lock."""
    from aios.state import StateStore

    return StateStore(setting.state, lambda: str(uuid.uuid4()))


def artefacts_of(setting: Setting, root: Path | None = None) -> ArtefactStore:
    """Return the store of prepared models, the setting's own or that in ``root``; it needs no lock."""
    from aios.state import ArtefactStore

    return ArtefactStore(root or setting.artefacts, setting.home / "run")


def locked(setting: Setting, name: str, purpose: str) -> Lock:
    """Return the lock ``name`` beside the state; entering it raises ConflictError when somebody else holds it."""
    from aios.state import Lock, Owner

    return Lock(setting.state.with_name(name + ".lock"), Owner.here(purpose, setting.now()))


@contextmanager
def opened(setting: Setting, purpose: str, artefacts: Path | None = None) -> Iterator[Opened]:
    """Hold the state's lock, for ``purpose``. Raises ConflictError when somebody else holds it.

    artefacts: where prepared models are kept, when that is not beside the state
    """
    from aios.state import RunJournal

    with locked(setting, setting.state.name, purpose) as lock:
        if lock.notice:
            setting.tell(lock.notice)
            note("lock.taken_over", "warning", text=lock.notice)
        with RunJournal(setting.journal, setting.now) as journal:
            yield Opened(state_of(setting), journal, artefacts_of(setting, artefacts))
