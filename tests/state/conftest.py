"""A folder on a memory disk where there is one: the tests below wait for the disk thousands of times."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import made_plans
import pytest

from aios.records.state import Resource


@pytest.fixture
def folder() -> Iterator[Path]:
    shared_memory = Path("/dev/shm")
    parent = shared_memory if os.access(shared_memory, os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="aios-state-", dir=parent))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def resource() -> Callable[[str], Resource]:
    def make(address: str) -> Resource:
        deployment = made_plans.deployment(address, executor="files", placement=())
        return Resource(
            address=address,
            executor="files",
            deployment=deployment,
            handle={"pid": 7},
            plan="sha256:2",
            applied_at="2026-01-01T00:00:00Z",
        )

    return make


@pytest.fixture
def in_child() -> Callable[[Callable[[], None]], int]:
    """Run a function in a forked child; return its status as os.waitpid gives it (the signal's number if killed)."""

    def run(work: Callable[[], None]) -> int:
        child = os.fork()
        if child == 0:
            status = 99
            try:
                work()
                status = 0
            finally:
                os._exit(status)
        return os.waitpid(child, 0)[1]

    return run
