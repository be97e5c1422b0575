"""Both backends keep the rules of the seam."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from postgresql_server import PASSWORD, PostgresqlServer

from aios.spi.backend import Backend
from aios.spi.backend_conformance import BackendConformance
from aios.state import LocalBackend
from aios_plugins.postgresql import Kind

_NUMBERS = count(1)


class TestLocal(BackendConformance):
    @pytest.fixture(params=["state.json", "other.json"])
    def open_backend(self, folder: Path, request: pytest.FixtureRequest) -> Callable[[], Backend]:
        return lambda: LocalBackend(folder / request.param)


class TestPostgresql(BackendConformance):
    @pytest.fixture
    def open_backend(self, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Backend]:
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        url = postgresql.url(f"conformance-{next(_NUMBERS)}")
        return lambda: Kind().open(url)


def test_two_states_in_one_folder_share_nothing(folder: Path) -> None:
    first, second = LocalBackend(folder / "state.json"), LocalBackend(folder / "other.json")
    lines = first.lines()
    lines.begin(1)
    lines.append(b"{}")
    assert list(second.lines().runs()) == []
    assert {path.name for path in folder.iterdir()} == {"journal"}
