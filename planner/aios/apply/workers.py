"""Threads that call executors. They neither journal nor save: what they note goes through one lock."""

from __future__ import annotations

import ctypes
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from aios.apply.instructions import Reply, Trouble
from aios.records.candidate import label_of
from aios.records.errors import AiosError, Diagnostic
from aios.records.plan import Action, Deployment
from aios.spi.executor import Artefact, Journal, Source, Store

__all__ = ["Abandoned", "Notebook", "Shelf", "Workers"]

_PATIENCE_S = 10.0
"""How long executors may take to clear away what they have begun when the run is stopped at once."""


class Abandoned(BaseException):
    """Raised in a worker whose run stops at once: whatever its executor has begun is to be cleared away."""


class _Ended(NamedTuple):
    """What came of a call. reply: as given, an executor may return anything · error: what ends the whole run, such as
    an interrupt"""

    key: int
    reply: Any
    error: BaseException | None


class Workers:
    """Calls of executors under way, each in a thread of its own."""

    def __init__(self) -> None:
        self._ended: SimpleQueue[_Ended] = SimpleQueue()
        self._threads: dict[int, threading.Thread] = {}

    def start(self, key: int, action: Action, call: Callable[[], Reply]) -> None:
        """Begin a call; `ended` returns what comes of it."""
        # Daemons: an executor that hangs must not keep the process from ending.
        thread = threading.Thread(
            target=self._work, args=(key, action, call), name=f"aios {action.address}", daemon=True
        )
        self._threads[key] = thread
        thread.start()

    def ended(self) -> tuple[tuple[int, Reply], ...]:
        """Return key and reply of what has ended, once there is anything; at once where nothing runs.

        Raises what a worker was interrupted by.
        """
        found: list[tuple[int, Reply]] = []
        while self._threads and (not found or not self._ended.empty()):
            key, reply, error = self._ended.get()
            del self._threads[key]
            if error is not None:
                raise error
            found.append((key, reply))
        return tuple(found)

    def abandon(self) -> None:
        """Interrupt what runs and wait, not for ever, until it has cleared away what it made."""
        left = [thread for thread in self._threads.values() if thread.ident is not None]
        for thread in left:
            # No other way leads into a running thread: https://docs.python.org/3/c-api/threads.html
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Abandoned))
        until = time.monotonic() + _PATIENCE_S
        for thread in left:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self, key: int, action: Action, call: Callable[[], Reply]) -> None:
        with suppress(Abandoned):  # which may also come when all is said
            try:
                self._ended.put(_Ended(key, _asked(action, call), None))
            except BaseException as error:  # noqa: BLE001 - an interrupt: the thread that waits raises it
                self._ended.put(_Ended(key, None, error))


def _asked(action: Action, ask: Callable[[], Reply]) -> Reply:
    """Return the executor's answer, or why there is none; an interrupt goes through."""
    try:
        return ask()
    except AiosError as error:
        return Trouble(tuple(error.diagnostics))
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it must end its own action and no other
        return Trouble(
            (
                Diagnostic(
                    summary=f"executor {action.executor!r} failed on {action.action} of {action.address}: "
                    f"{type(error).__name__}: {error}",
                    remedy="what does not depend on it went on; mend the cause and apply again",
                    command="aios apply",
                ),
            )
        )


class Notebook:
    """The journal as several threads may use it: one line at a time, and none once the run is abandoned."""

    def __init__(self, record: Callable[..., None], earlier: Callable[[str], Journal]) -> None:
        """record: appends a line to the journal · earlier: the narrow journal of an address."""
        self._record = record
        self._earlier = earlier
        self._lock = threading.Lock()
        self._closed = False
        self._own: dict[str, list[Mapping[str, Any]]] = defaultdict(list)

    def record(self, event: str, **facts: Any) -> None:
        """Append a line of the run itself."""
        with self._lock:
            self._record(event, **facts)
        if event == "done":
            self._own.pop(facts["address"], None)

    def close(self) -> None:
        """Let no worker note anything any more."""
        with self._lock:
            self._closed = True

    def of(self, address: str) -> Journal:
        """Return what an executor gets for one action: notes of earlier attempts, those of this run among them."""
        return _Notes(self, address, self._earlier(address))

    def note(self, address: str, inner: Journal, event: str, facts: Mapping[str, Any]) -> None:
        """Append an executor's line. Raises Abandoned where nobody waits for it any more."""
        with self._lock:
            if self._closed:
                raise Abandoned
            inner.note(event, **facts)
            self._own[address].append({"event": event, **facts})

    def noted(self, address: str) -> Sequence[Mapping[str, Any]]:
        """Return what was noted in this run."""
        return tuple(self._own.get(address, ()))


class _Notes:
    """An executor's own notes about one address (`aios.spi.executor.Journal`)."""

    def __init__(self, book: Notebook, address: str, inner: Journal) -> None:
        self._book, self._address, self._inner = book, address, inner
        self._before = (*inner.notes(), *book.noted(address))

    def note(self, event: str, **facts: str | int | float | bool | None) -> None:
        """Record that ``event`` is about to happen or has happened; returns after it is on disk."""
        self._book.note(self._address, self._inner, event, facts)

    def notes(self) -> Sequence[Mapping[str, Any]]:
        """Return what earlier attempts at the same address noted, oldest first."""
        return self._before


class Shelf:
    """A store that several threads may use: what two of them want at once is built once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._building: dict[str, threading.Lock] = {}

    def fetch(self, recipe: Mapping[str, str], build: Callable[[Path], None]) -> Artefact:
        """Return the artefact of ``recipe``, see `aios.spi.executor.Store`."""
        with self._lock:
            own = self._building.setdefault(json.dumps(dict(recipe), sort_keys=True), threading.Lock())
        with own:
            return self._store.fetch(recipe, build)

    def model(self, deployment: Deployment, facts: Mapping[str, str]) -> Source:
        """Return the file that a deployment computes, see `aios.spi.executor.Store`."""
        with self._lock:
            own = self._building.setdefault(f"{deployment.model_digest}/{label_of(deployment)}", threading.Lock())
        with own:
            return self._store.model(deployment, facts)

    def verify(self, artefact: Artefact) -> None:
        """Raise WorldError unless the folder's content still has the artefact's digest."""
        self._store.verify(artefact)

    def runtime(self, address: str) -> Path:
        """Return the folder for what a running service keeps."""
        return self._store.runtime(address)
