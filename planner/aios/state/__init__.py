"""11 State: everything that is kept on disk, and the promise that it is whole or refused.

The state file (lineage, serial, checksum, backup), the lock around it, the write-ahead journal of apply runs and the
record of each (together the default backend), the content-addressed store of prepared artefacts and the store of
measurements. Paths and clock are passed in. Whatever is written replaces the old file in one step or not at all;
whatever is damaged is refused with the way back, never overwritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.records.lazily import lazily

if TYPE_CHECKING:
    from aios.state.artefacts import ArtefactStore
    from aios.state.files import make_folder, write_atomically
    from aios.state.journal import RunJournal
    from aios.state.ledger import Ledger
    from aios.state.local import LocalBackend
    from aios.state.lock import Lock, Owner
    from aios.state.profiles import ProfileStore
    from aios.state.store import StateStore

__all__ = [
    "ArtefactStore",
    "Ledger",
    "LocalBackend",
    "Lock",
    "Owner",
    "ProfileStore",
    "RunJournal",
    "StateStore",
    "make_folder",
    "write_atomically",
]

__getattr__ = lazily(
    __name__,
    {
        "ArtefactStore": "aios.state.artefacts",
        "Ledger": "aios.state.ledger",
        "LocalBackend": "aios.state.local",
        "Lock": "aios.state.lock",
        "Owner": "aios.state.lock",
        "ProfileStore": "aios.state.profiles",
        "RunJournal": "aios.state.journal",
        "StateStore": "aios.state.store",
        "make_folder": "aios.state.files",
        "write_atomically": "aios.state.files",
    },
)
