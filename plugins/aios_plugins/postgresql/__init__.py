"""States in PostgreSQL: several of them in one database, each with its lock, journal and history."""

from __future__ import annotations

from typing import ClassVar

from aios.spi.backend import Backend
from aios.spi.executor import API_VERSION

__all__ = ["Kind"]


class Kind:
    """Opens states at URLs as libpq has them, with ``name=`` for one of several in a database."""

    name: ClassVar[str] = "postgresql"
    api_version: ClassVar[int] = API_VERSION
    title: ClassVar[str] = "a PostgreSQL database, shared by pipelines and people"
    example: ClassVar[str] = "postgresql://ci@db.example.org/aios?name=production"

    def open(self, url: str) -> Backend:
        """Return the state at ``url``, without connecting. Raises InputError for a URL that says something wrong."""
        from aios_plugins.postgresql.address import read_url
        from aios_plugins.postgresql.backend import PostgresqlBackend

        return PostgresqlBackend(read_url(url))
