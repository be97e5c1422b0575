"""model gc: which models and artefacts nobody needs, and their removal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from aios.records.errors import AiosError
from aios.records.modelstore import User
from aios.workflow.keeping import state_of
from aios.workflow.modelstore import store_of
from aios.workflow.setting import Setting, place_of
from aios.workflow.stages import stage

if TYPE_CHECKING:
    from aios.state.collecting import Spare
    from aios.state.modelstore import ModelStore

__all__ = ["Collected", "Line", "collect"]

_MOST_RUNTIME_BYTES = 1 << 20
"""Files of running services that name what they run from are far smaller."""


class Line(NamedTuple):
    """Something that goes. in_use: somebody uses it just now, and it stays"""

    kind: Literal["model", "artefact"]
    digest: str | None
    path: str
    bytes: int
    reason: str
    in_use: bool


class Collected(NamedTuple):
    """lines: what is not needed · kept: how many models and artefacts are · dry: nothing was removed"""

    lines: tuple[Line, ...]
    kept: int
    dry: bool

    @property
    def bytes(self) -> int:
        """What was freed, or would be."""
        return sum(line.bytes for line in self.lines if not line.in_use)


def collect(setting: Setting, unused_s: float, *, dry: bool) -> Collected:
    """Remove models that no name has and no state, history or running command needs, and artefacts of no use.

    unused_s: after which an artefact is of no use. Raises ConflictError where what is needed cannot be told.
    """
    from aios.state.collecting import abandoned, digests_in, remove, set_aside, spare_artefacts, spare_models

    store = store_of(setting)
    with stage("collecting"):
        with store.changing():
            own = digests_in(_texts(setting))
            models = spare_models(store, own | _needed_by_others(store, setting))
            spared = {spare.what.path for spare in models}
            held = {item.digest for item in store.contents() if item.path not in spared}
            used = (digest for user in store.users() for digest in user.digests)
            gone = {*used, *(spare.what.digest for spare in models if spare.what.digest)} - held
            artefacts = spare_artefacts(
                setting.artefacts, own | digests_in(_runtime(setting)), gone, _seconds(setting.now()), unused_s
            )
            lines, aside = [], []
            for kind, spares in (("model", models), ("artefact", artefacts)):
                for spare in spares:
                    away = None if dry else set_aside(spare)
                    in_use = _is_used(spare) if dry else away is None
                    lines.append(_line("model" if kind == "model" else "artefact", spare, in_use=in_use))
                    if away is not None:
                        aside.append(away)
        if not dry:
            for item in (*aside, *abandoned([store.objects, setting.artefacts])):
                remove(item)
    total = sum(1 for root in (store.objects, setting.artefacts) for _ in root.glob("[!.]*"))
    removed = 0 if not dry else sum(not line.in_use for line in lines)
    return Collected(tuple(lines), total - removed, dry)


def _line(kind: Literal["model", "artefact"], spare: Spare, *, in_use: bool) -> Line:
    what = spare.what
    return Line(kind, what.digest, str(what.path), what.bytes, spare.reason, in_use)


def _is_used(spare: Spare) -> bool:
    from aios.state.leases import alone

    lease = alone(spare.what.path)
    if lease is not None:
        lease.close()
    return lease is None


def _needed_by_others(store: ModelStore, setting: Setting) -> set[str]:
    """Return the digests that other states need, whose plans used this store."""
    from aios.state.collecting import digests_in

    own = _place(setting.state)
    needed: set[str] = set()
    for user in store.users():
        if user.state == own:
            continue
        needed |= set(user.digests) if _is_elsewhere(user) else digests_in(_texts_of_other(setting, user))
    return needed


def _is_elsewhere(user: User) -> bool:
    return "://" not in user.state and user.host != os.uname().nodename


def _seconds(now: str) -> float:
    return datetime.fromisoformat(now).timestamp()


def _place(state: Path | str) -> str:
    return state if isinstance(state, str) else str(state.absolute())


def _texts_of_other(setting: Setting, user: User) -> Iterator[str]:
    """Yield what a state and its history say; where they cannot be read, all that they ever used."""
    other = replace(setting, state=place_of(user.state))
    try:
        yield from list(_texts(other))
    except AiosError as error:
        setting.warn(f"all models that {user.state} used are kept: {error.diagnostics[0].summary}")
        yield from user.digests


def _texts(setting: Setting) -> Iterator[str]:
    """Yield the state and the plan of every run of its history. Raises ConflictError where one cannot be read."""
    with closing(state_of(setting)) as backend:
        yield backend.load().model_dump_json()
        for run in backend.runs():
            yield backend.plan_of(run.number) or ""


def _runtime(setting: Setting) -> Iterator[str]:
    """Yield what the folders of running services say of what they run from."""
    for path in _plain_files(setting.home / "run"):
        try:
            if path.stat().st_size <= _MOST_RUNTIME_BYTES:
                yield path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue


def _plain_files(folder: Path) -> Sequence[Path]:
    return [path for path in sorted(folder.glob("*/*")) if path.is_file() and path.suffix == ".json"]
