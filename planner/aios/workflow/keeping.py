"""The places on disk of a setting, opened: state, lock, journal, artefacts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.state import ArtefactStore, RunJournal, StateStore

__all__ = ["Opened", "artefacts_of", "opened", "state_of"]


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


def artefacts_of(setting: Setting) -> ArtefactStore:
    """Return the store of prepared models; it needs no lock."""
    from aios.state import ArtefactStore

    return ArtefactStore(setting.artefacts, setting.home / "run")


@contextmanager
def opened(setting: Setting, purpose: str) -> Iterator[Opened]:
    """Hold the state's lock, for ``purpose``. Raises ConflictError when somebody else holds it."""
    from aios.state import Lock, Owner, RunJournal

    lock = Lock(setting.state.with_name(setting.state.name + ".lock"), Owner.here(purpose, setting.now()))
    with lock:
        if lock.notice:
            setting.tell(lock.notice)
        with RunJournal(setting.journal, setting.now) as journal:
            yield Opened(state_of(setting), journal, artefacts_of(setting))
