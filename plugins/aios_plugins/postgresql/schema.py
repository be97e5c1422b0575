"""The tables: made by the first run that locks a state, never by who only reads."""

from __future__ import annotations

from aios.records.errors import ConflictError, Diagnostic

__all__ = ["TABLES", "VERSION", "newer"]

VERSION = 1
"""Version of the tables: a newer one is refused, never changed."""

TABLES = """
create schema if not exists aios;
create table if not exists aios.version (version integer not null);
create table if not exists aios.state (
    name text primary key,
    lineage text not null,
    serial bigint not null,
    document text not null,
    saved_at timestamptz not null default now()
);
create table if not exists aios.lock (
    name text primary key,
    owner text not null,
    session integer not null
);
create table if not exists aios.journal (
    name text not null,
    run integer not null,
    number integer not null,
    line text not null,
    primary key (name, run, number)
);
create table if not exists aios.run (
    name text not null,
    number integer not null,
    record text not null,
    plan text,
    state text,
    primary key (name, number)
);
comment on schema aios is 'States of aios: https://pypi.org/project/aios-planner';
comment on table aios.state is 'What stands, one row per state; the document is that of a state file.';
comment on table aios.lock is 'Who holds the lock; the advisory lock of its session decides.';
comment on table aios.journal is 'Write-ahead journal of apply: what must be known after a crash.';
comment on table aios.run is 'History: every apply and destroy, with its plan and the state that it left.';
"""


def newer(place: str, version: int) -> ConflictError:
    """Return the error for tables of a later aios."""
    return ConflictError(
        Diagnostic(
            summary=f"the tables at {place} were made by a newer aios (version {version})",
            reason=f"this aios knows version {VERSION}; writing to newer ones would lose what they know",
            remedy="use the aios that made them, or a later one",
        )
    )
