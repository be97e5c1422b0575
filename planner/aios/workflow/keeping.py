"""The places of a setting, opened: state, lock, journal, history; artefacts."""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.records.units import Dimension, format_quantity
from aios.spi.backend import Backend, Held
from aios.spi.owner import Owner
from aios.workflow.setting import Setting
from aios.workflow.stages import note

if TYPE_CHECKING:
    from aios.records.state import State
    from aios.spi.backend import Lock as AnyLock
    from aios.state import ArtefactStore, Lock, RunJournal

__all__ = ["Opened", "age_words", "artefacts_of", "load_state", "locked", "locked_state", "opened", "state_of"]

_ASK_AGAIN_S = 0.25
"""How often a lock that somebody else holds is tried: short beside any apply, and four questions a second cost nobody
anything."""


class Opened:
    """State, journal and artefacts of a setting, with the lock held."""

    def __init__(self, state: Backend, journal: RunJournal, artefacts: ArtefactStore) -> None:
        self.state = state
        self.journal = journal
        self.artefacts = artefacts


def state_of(setting: Setting) -> Backend:
    """Return where the state is kept, with its history; reading needs no lock. Raises InputError for a wrong URL."""
    if isinstance(setting.state, Path):
        from aios.state import LocalBackend

        return LocalBackend(setting.state, lambda: str(uuid.uuid4()))
    from aios.spi import registry

    scheme = setting.state.partition("://")[0]
    known = [plugin.name for plugin in registry.installed("aios.state_backends")]
    if scheme not in known:
        raise InputError(
            Diagnostic(
                summary=f"no state is kept at a URL that begins with {scheme}://",
                reason="installed: file, " + ", ".join(known),
                remedy="name a file, or a URL of a backend that is installed",
                command="aios plugins",
            )
        )
    backend: Backend = registry.load("aios.state_backends", scheme).open(setting.state)
    return backend


def load_state(setting: Setting) -> State:
    """Return the state. Raises ConflictError for one that is damaged or newer, and as `state_of`."""
    with closing(state_of(setting)) as backend:
        return backend.load()


def artefacts_of(setting: Setting, root: Path | None = None) -> ArtefactStore:
    """Return the store of prepared models, the setting's own or that in ``root``; it needs no lock."""
    from aios.state import ArtefactStore
    from aios.workflow.transforming import transforming

    return ArtefactStore(root or setting.artefacts, setting.home / "run", transforming(setting), setting.warn)


def locked(path: Path, setting: Setting, purpose: str) -> Lock:
    """Return the lock ``path``, for what needs one beside the state's own; entering it raises ConflictError when
    somebody else holds it."""
    from aios.state import Lock

    return Lock(path, _owner(setting, purpose))


@contextmanager
def opened(setting: Setting, purpose: str, artefacts: Path | None = None) -> Iterator[Opened]:
    """Hold the state's lock, for ``purpose``. Raises ConflictError when somebody else holds it for longer than the
    setting waits.

    artefacts: where prepared models are kept, when that is not beside the state
    """
    from aios.state import RunJournal

    with locked_state(setting, purpose) as backend, RunJournal(backend.lines(), setting.now) as journal:
        yield Opened(backend, journal, artefacts_of(setting, artefacts))


@contextmanager
def locked_state(setting: Setting, purpose: str) -> Iterator[Backend]:
    """Hold the state's lock, for ``purpose``, without a journal; see `opened`."""
    with closing(state_of(setting)) as backend:
        lock = _patiently(backend, setting, purpose)
        try:
            for text in (lock.notice, *backend.warnings()):
                if text:
                    setting.warn(text)
                    note("state.warning", "warning", text=text)
            yield backend
        finally:
            lock.__exit__(None, None, None)


def _patiently(backend: Backend, setting: Setting, purpose: str) -> AnyLock:
    """Return the lock, entered; while somebody else holds it, wait as long as the setting says."""
    end = time.monotonic() + setting.lock_timeout_s
    told = ""
    while True:
        lock = backend.lock(_owner(setting, purpose))
        try:
            return lock.__enter__()
        except Held as held:
            left = end - time.monotonic()
            if left <= 0:
                raise _explained(held, setting) from None
            text = f"waiting for the lock: {held.diagnostics[0].summary}"
            if text != told:
                told = text
                setting.tell(text)
            time.sleep(min(_ASK_AGAIN_S, left))


def _explained(held: Held, setting: Setting) -> ConflictError:
    """Return the refusal with how long the lock has been held, and how to release it where its owner may be gone."""
    (told,), owner = held.diagnostics, held.hold.owner
    if owner is None:
        return held
    changes = {"reason": f"{told.reason}; held {age_words(owner, setting.now())}"}
    if held.hold.alive is None and owner.id:
        place = [] if setting.state == Setting().state else ["--state", str(setting.state)]
        changes["remedy"] = "make sure that it has ended, then release its lock"
        changes["command"] = shlex.join(["aios", "unlock", owner.id, *place])
    return ConflictError(told.model_copy(update=changes))


def age_words(owner: Owner, now: str) -> str:
    """Return for how long somebody has held the lock, in words."""
    seconds = owner.age_s(now)
    return "for an unknown time" if seconds is None else f"for {format_quantity(seconds, Dimension.TIME)}"


def _owner(setting: Setting, purpose: str) -> Owner:
    return Owner.here(purpose, setting.now(), setting.lock_id or uuid.uuid4().hex[:12])
