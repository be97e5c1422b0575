"""Connections: one that is held with the lock, short ones without it; whatever fails reaches people in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

from aios.records.errors import Diagnostic, InputError, WorldError
from aios_plugins.postgresql.address import Address
from aios_plugins.postgresql.schema import TABLES, VERSION, newer

if TYPE_CHECKING:
    import psycopg

__all__ = ["Session"]

_USUAL = {
    "application_name": "aios",
    "connect_timeout": "10",
    "client_encoding": "utf8",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""Of libpq, where the URL says nothing else."""

_MANNERS = """
set synchronous_commit = on;
set tcp_keepalives_idle = 30;
set tcp_keepalives_interval = 10;
set tcp_keepalives_count = 3;
"""
"""What was committed is on disk; and a client whose machine went away is noticed within a minute, its lock freed."""

_MAKING = 0x61696F73
"""Key of the advisory lock under which tables are made (``aios`` in ASCII): two at once would collide."""


class Session:
    """Runs statements at an address, each in a transaction of its own."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._held: psycopg.Connection[Any] | None = None

    @contextmanager
    def use(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield the connection that is held, else one for now. Raises WorldError for whatever fails."""
        with self._troubles():
            if self._held is not None:
                yield self._held
                return
            with self._connected() as connection:
                yield connection

    def hold(self) -> None:
        """Connect and stay so, with tables to write to."""
        if self._held is not None:
            return
        with self._troubles():
            connection = self._connected()
            try:
                with connection.transaction():
                    connection.execute("select pg_advisory_xact_lock(%s)", (_MAKING,))
                    if _version(connection) is None:
                        connection.execute(TABLES)
                        connection.execute("insert into aios.version values (%s)", (VERSION,))
            except BaseException:
                connection.close()
                raise
            self._held = connection

    def close(self) -> None:
        """Disconnect; whatever this session has locked is free then."""
        if self._held is not None:
            held, self._held = self._held, None
            held.close()

    def rows(self, statement: LiteralString, values: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[Any]:
        """Return what a query finds; nothing where there are no tables yet."""
        import psycopg

        with self.use() as connection:
            try:
                return connection.execute(statement, values).fetchall()
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                return []

    def run(self, statement: LiteralString, values: tuple[Any, ...] = ()) -> int:
        """Run a statement and return how many rows it touched; it is durable when this returns."""
        with self.use() as connection:
            return connection.execute(statement, values).rowcount

    def _connected(self) -> psycopg.Connection[Any]:
        import psycopg

        parameters = {**_USUAL, **self._address.resolved()}
        try:
            text = psycopg.conninfo.make_conninfo("", **parameters)
        except psycopg.ProgrammingError as error:
            remedy = "see the parameters of libpq: https://www.postgresql.org/docs/current/libpq-connect.html"
            summary = f"the URL of the state {self._address.url} is wrong: {_first(error)}"
            raise InputError(Diagnostic(summary=summary, remedy=remedy)) from None
        connection = psycopg.connect(text, autocommit=True)
        try:
            connection.execute(_MANNERS)
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: psycopg.Connection[Any]) -> None:
        """Raise where this database cannot keep a state, or this aios must not touch what it keeps."""
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise WorldError(
                Diagnostic(
                    summary=f"the database of {self._address.url} has encoding {encoding}",
                    reason="states hold names in any script",
                    remedy="keep them in a database with encoding UTF8",
                    command="createdb --encoding UTF8 --template template0 aios",
                )
            )
        version = _version(connection)
        if version is not None and version > VERSION:
            raise newer(self._address.url, version)

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            import psycopg
        except ImportError:
            raise WorldError(
                Diagnostic(
                    summary=f"the state {self._address.url} cannot be reached: psycopg is not installed",
                    remedy="install the extra",
                    command="pip install 'aios-planner[postgresql]'",
                )
            ) from None
        try:
            yield
        except psycopg.Error as error:
            lost = self._held is not None and self._held.closed
            raise WorldError(_trouble(error, self._address.url, lost)) from error


def _version(connection: psycopg.Connection[Any]) -> int | None:
    """Return the version of the tables, None where there are none."""
    row = connection.execute("select to_regclass('aios.version')").fetchone()
    if row is None or row[0] is None:
        return None
    found = connection.execute("select max(version) from aios.version").fetchone()
    return None if found is None else found[0]


def _trouble(error: psycopg.Error, place: str, lost: bool) -> Diagnostic:
    import psycopg

    reason = _first(error)
    if lost:
        return Diagnostic(
            summary=f"the connection to the state at {place} was lost",
            reason=reason,
            remedy="nothing was begun after that; what was done until then is in the journal there. Once it can be "
            "reached again, the same command goes on from there",
        )
    if error.sqlstate == "42501":
        remedy = "let this user create and write the schema `aios` of that database, or name another one"
    elif error.sqlstate == "25006":
        remedy = "that server takes no writes (a standby?): name the one that does"
    elif error.sqlstate is not None and error.sqlstate.startswith("53"):
        remedy = "see to the server (disk, memory, connections), then run the same command again"
    elif "password" in reason:
        remedy = "give the password in PGPASSWORD or ~/.pgpass, or refer to it in the URL: `?password=env:NAME`"
    elif isinstance(error, psycopg.OperationalError):
        remedy = "see that the server runs and can be reached from here, then run the same command again"
    else:
        remedy = "see to the server, then run the same command again"
    return Diagnostic(summary=f"the state at {place} cannot be reached", reason=reason, remedy=remedy)


def _first(error: Exception) -> str:
    """Return the first line of what a server or libpq says."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
