"""The journal's lines as rows, each one committed before anything goes on."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence

from aios_plugins.postgresql.address import Address
from aios_plugins.postgresql.session import Session

__all__ = ["RowLines"]


class RowLines:
    """Lines in ``aios.journal`` (`aios.spi.backend.Lines`)."""

    def __init__(self, address: Address, session: Session) -> None:
        self._address = address
        self._session = session
        self._run = self._number = 0
        self._read: dict[int, list[bytes]] | None = None

    def runs(self) -> Sequence[int]:
        """Return the numbers of the runs that are kept, in order, and read all of them at once."""
        found: dict[int, list[bytes]] = {}
        statement = "select run, line from aios.journal where name = %s and run > 0 order by run, number"
        for run, line in self._session.rows(statement, (self._address.name,)):
            found.setdefault(run, []).append(line.encode())
        self._read = found
        return list(found)

    def read(self, run: int) -> Iterator[bytes]:
        """Yield the lines of a run as ``runs`` found them."""
        if self._read is None:
            self.runs()
        yield from (self._read or {}).get(run, ())

    def begin(self, run: int) -> None:
        """Start a run."""
        self._run, self._number = run, 0

    def append(self, line: bytes) -> None:
        """Append a line; it is committed when this returns. Raises WorldError: nothing is appended then."""
        assert self._run, "begin() first"
        statement = "insert into aios.journal (name, run, number, line) values (%s, %s, %s, %s)"
        self._session.run(statement, (self._address.name, self._run, self._number + 1, line.decode()))
        self._number += 1

    def forget(self, runs: Collection[int]) -> None:
        """Drop the lines of these runs."""
        if runs:
            statement = "delete from aios.journal where name = %s and run = any(%s)"
            self._session.run(statement, (self._address.name, list(runs)))

    def where(self, run: int) -> str:
        """Return where the lines of a run are."""
        return f"{self._address.url} (run {run})"

    def aside(self, run: int) -> str:
        """Return the command that turns the run's number around: what is below zero is no longer read."""
        change = "update aios.journal set run = -run where name = :'name' and run = :run"
        words = ["psql", self._address.plain, "-v", f"name={self._address.name}", "-v", f"run={run}"]
        return f"echo {shlex.quote(change)} | {shlex.join(words)}"

    def close(self) -> None:
        """Begin no more."""
        self._run = 0
