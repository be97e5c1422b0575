"""A state in PostgreSQL: every write commits in the session that holds the lock, so that none is made without it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from aios.records.errors import AiosError, ConflictError, Diagnostic
from aios.records.history import Run
from aios.records.state import NEW, State
from aios.spi.backend import KEPT_STATES, Held, Hold
from aios.spi.owner import Owner
from aios.spi.statetext import Damaged, decode, encode, moved, unreadable
from aios_plugins.postgresql.address import Address
from aios_plugins.postgresql.lines import RowLines
from aios_plugins.postgresql.session import Session

__all__ = ["PostgresqlBackend"]


class PostgresqlBackend:
    """Keeps a state under a name in the schema ``aios`` of a database (`aios.spi.backend.Backend`)."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._session = Session(address)
        self._key = int.from_bytes(hashlib.sha256(f"aios/{address.name}".encode()).digest()[:8], signed=True)
        self._locked = False

    @property
    def place(self) -> str:
        """The URL as it was given."""
        return self._address.url

    def load(self) -> State:
        """Return the state. Raises ConflictError for a damaged or newer one, WorldError where it cannot be read."""
        rows = self._session.rows("select document from aios.state where name = %s", (self._address.name,))
        if not rows:
            return State(lineage=NEW, serial=0)
        try:
            return decode(rows[0][0].encode())
        except Damaged as damage:
            raise self._refused(damage) from None

    def save(self, state: State) -> State:
        """Write the next serial, in one transaction with the look at the one before."""
        with self._session.use() as connection, connection.transaction():
            lineage, serial = self._standing(connection)
            if lineage != state.lineage or serial + 1 != state.serial:
                raise moved(f"the state at {self.place}", lineage, serial, state)
            return self._write(connection, state)

    def restore(self, state: State) -> State:
        """Write ``state`` over whatever is kept, with a serial beyond both."""
        self._session.hold()
        with self._session.use() as connection, connection.transaction():
            _, serial = self._standing(connection)
            return self._write(connection, state.model_copy(update={"serial": max(serial, state.serial) + 1}))

    def _standing(self, connection: Any) -> tuple[str, int]:
        """Return lineage and serial of what is kept, which nobody else changes before this transaction ends."""
        statement = "select lineage, serial from aios.state where name = %s for update"
        return connection.execute(statement, (self._address.name,)).fetchone() or (NEW, 0)

    def _write(self, connection: Any, state: State) -> State:
        if state.lineage == NEW:
            state = state.model_copy(update={"lineage": str(uuid.uuid4())})
        connection.execute(
            "insert into aios.state (name, lineage, serial, document) values (%s, %s, %s, %s) on conflict (name) do"
            " update set lineage = excluded.lineage, serial = excluded.serial, document = excluded.document,"
            " saved_at = now()",
            (self._address.name, state.lineage, state.serial, encode(state)),
        )
        return state

    def lock(self, owner: Owner) -> _Lock:
        """Return the lock: an advisory one of our session, so that it ends with the session."""
        return _Lock(self, owner)

    def take(self, owner: Owner) -> Owner | None:
        """Lock for ``owner``; return whoever was killed holding it. Raises Held."""
        self._session.hold()
        if self._locked or not self._session.rows("select pg_try_advisory_lock(%s)", (self._key,))[0][0]:
            hold = self.holder() or Hold(None, alive=True)
            raise Held(
                Diagnostic(
                    summary=f"another run is at work: {hold.owner or 'it is just starting'}",
                    reason=f"it holds the lock of the state at {self.place}",
                    remedy="wait until that run has ended, then run the same command again; `--lock-timeout 5min` "
                    "waits",
                ),
                hold,
            )
        self._locked = True
        left = self._session.rows("select owner from aios.lock where name = %s", (self._address.name,))
        self._session.run(
            "insert into aios.lock (name, owner, session) values (%s, %s, pg_backend_pid()) on conflict (name) do"
            " update set owner = excluded.owner, session = excluded.session",
            (self._address.name, owner.model_dump_json()),
        )
        return _owner(left[0][0]) if left else None

    def leave(self) -> None:
        """Unlock."""
        if self._locked:
            self._locked = False
            with suppress(AiosError):  # a connection that is lost has unlocked already
                statement = "delete from aios.lock where name = %s and session = pg_backend_pid()"
                self._session.run(statement, (self._address.name,))
                self._session.rows("select pg_advisory_unlock(%s)", (self._key,))

    def holder(self) -> Hold | None:
        """Return who holds the lock, or was killed holding it."""
        rows = self._session.rows(_HOLDER, {"name": self._address.name, "key": self._key})
        if not rows:
            return None
        owner, session = rows[0]
        return Hold(_owner(owner) if owner else None, alive=session is not None)

    def release(self) -> None:
        """End the session that holds the lock, and forget whose it was."""
        values = {"name": self._address.name, "key": self._key}
        for _, session in self._session.rows(_HOLDER, values):
            if session is not None:
                self._session.rows("select pg_terminate_backend(%s, 5000)", (session,))
        self._session.run("delete from aios.lock where name = %s", (self._address.name,))

    def lines(self) -> RowLines:
        """Return the journal's rows."""
        return RowLines(self._address, self._session)

    def runs(self, last: int | None = None) -> Sequence[Run]:
        """Return what was recorded."""
        statement = "select record from aios.run where name = %s order by number desc limit %s"
        rows = self._session.rows(statement, (self._address.name, last))
        try:
            return [Run.model_validate_json(text) for (text,) in reversed(rows)]
        except ValidationError as error:
            summary = f"the record of a run at {self.place} is damaged: {error.errors()[0]['msg']}"
            remedy = "see to the rows of aios.run there"
            raise ConflictError(Diagnostic(summary=summary, remedy=remedy)) from None

    def record(self, run: Run, plan: str | None = None) -> Run:
        """Record a run; once it has ended, with the state as it stands then."""
        name = self._address.name
        with self._session.use() as connection, connection.transaction():
            if not run.number:
                statement = "select coalesce(max(number), 0) + 1 from aios.run where name = %s"
                run = run.model_copy(update={"number": connection.execute(statement, (name,)).fetchone()[0]})  # type: ignore[index] # an aggregate has a row
            connection.execute(
                "insert into aios.run (name, number, record, plan) values (%s, %s, %s, %s) on conflict (name, number)"
                " do update set record = excluded.record, plan = coalesce(excluded.plan, aios.run.plan)",
                (name, run.number, run.model_dump_json(), plan),
            )
            if run.ended:
                connection.execute(
                    "update aios.run set state = (select document from aios.state where name = %s)"
                    " where name = %s and number = %s and state is null",
                    (name, name, run.number),
                )
                connection.execute(
                    "update aios.run set state = null where name = %s and number <= %s and state is not null",
                    (name, run.number - KEPT_STATES),
                )
        return run

    def plan_of(self, number: int) -> str | None:
        """Return the text of a run's plan."""
        rows = self._session.rows(
            "select plan from aios.run where name = %s and number = %s", (self._address.name, number)
        )
        return rows[0][0] if rows else None

    def state_after(self, number: int) -> State | None:
        """Return the state that a run left."""
        rows = self._session.rows(
            "select state from aios.run where name = %s and number = %s", (self._address.name, number)
        )
        try:
            return decode(rows[0][0].encode()) if rows and rows[0][0] is not None else None
        except Damaged as damage:
            raise unreadable(f"the state that run @{number} left at {self.place}", damage) from None

    def warnings(self) -> Sequence[str]:
        """Return nothing: who may write is for the database to say."""
        return ()

    def close(self) -> None:
        """Disconnect."""
        self._locked = False
        self._session.close()

    def _refused(self, damage: Damaged) -> ConflictError:
        if damage.newer:
            return unreadable(f"the state at {self.place}", damage)
        return ConflictError(
            Diagnostic(
                summary=f"the state at {self.place} is damaged: {damage}",
                reason="it was left as it is; the states that runs left are kept beside it",
                remedy="put back the one that the last run left, then plan",
                command="aios state restore",
            )
        )


_HOLDER = """
select owner, held.pid from (select %(name)s::text as name) as asked
left join aios.lock using (name)
left join pg_locks as held
    on held.locktype = 'advisory' and held.granted and held.objsubid = 1
    and held.database = (select oid from pg_database where datname = current_database())
    and (held.classid::bigint << 32 | held.objid::bigint) = %(key)s::bigint
where owner is not null or held.pid is not null
"""
"""Who is written down as the owner, and which session holds the advisory lock: pg_locks has its key in two halves."""


class _Lock:
    """The lock as a context (`aios.spi.backend.Lock`)."""

    def __init__(self, backend: PostgresqlBackend, owner: Owner) -> None:
        self.owner = owner
        self.taken_over: Owner | None = None
        self._backend = backend

    @property
    def notice(self) -> str | None:
        """What people should know about how the lock was got, if anything."""
        if self.taken_over is None:
            return None
        return f"the lock was left by a run that ended without releasing it ({self.taken_over}): taken over"

    def __enter__(self) -> Self:
        self.taken_over = self._backend.take(self.owner)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.leave()


def _owner(text: str) -> Owner | None:
    try:
        return Owner.model_validate(json.loads(text))
    except (ValueError, ValidationError):
        return None
