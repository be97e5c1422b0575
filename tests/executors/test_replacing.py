"""A service is replaced while clients ask without pause: nobody is turned away."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_runs import is_killed

from aios.records.base import digest_of
from aios.records.errors import WorldError
from aios.records.intent import Serve
from aios.records.plan import Disruption
from aios.spi.conformance import NotedJournal, action
from aios_plugins.onnxruntime.system import find

BODY = json.dumps(
    {"inputs": [{"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": np.zeros((1, 1, 8, 8)).tolist()}]}
).encode()


def ask(connection: http.client.HTTPConnection) -> str:
    connection.request("POST", "/v2/models/digits/infer", BODY, {"content-type": "application/json"})
    response = connection.getresponse()
    said = response.read()
    return "answered" if response.status == 200 else f"{response.status} {said!r}"


@contextlib.contextmanager
def asking(hosts: list[tuple[str, int]], kept: int = 2, fresh: int = 2) -> Iterator[Counter[str]]:
    """Ask without pause over connections that are kept, and over new ones, while the context lasts.

    hosts: where to ask; the later ones are tried once the earlier ones take no connection any more. Yields what was
    answered, counted.
    """
    found: Counter[str] = Counter()
    enough = threading.Event()

    def connected() -> http.client.HTTPConnection:
        for host, port in hosts:
            connection = http.client.HTTPConnection(host, port, timeout=20)
            try:
                connection.connect()
                return connection
            except ConnectionRefusedError:
                continue
        raise ConnectionRefusedError(hosts)

    def client(keep: bool) -> None:
        connection = None
        while not enough.is_set():
            try:
                if connection is None or connection.sock is None:
                    connection = connected()
                found[ask(connection)] += 1
            except (OSError, http.client.HTTPException) as error:
                found[f"{'kept' if keep else 'fresh'} connection: {type(error).__name__}: {error}"] += 1
                if connection is not None:
                    connection.close()
            if not keep and connection is not None:
                connection.close()
        if connection is not None:
            connection.close()

    threads = [threading.Thread(target=client, args=(index < kept,)) for index in range(kept + fresh)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        time.sleep(0.1)
        enough.set()
        for thread in threads:
            thread.join()


def replace(served: Any, journal: Any = None, **changes: Any) -> Any:
    """Replace a service as apply would; returns the outcome."""
    changed = served.deployment.model_copy(update=changes)
    step = action("replace", changed, served.deployment)
    outcome = served.executor.carry_out(step, served.handle, journal or NotedJournal(), served.store)
    served.handle, served.deployment = outcome.handle, changed
    return outcome


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def served(serve: Any, kit: Any, tmp_path: Path) -> Any:
    return serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx")))


def test_nobody_is_turned_away_while_a_service_is_replaced(served: Any) -> None:
    before = served.observe()
    port = served.handle["port"]
    with asking([("127.0.0.1", port)]) as found:
        for changes in ({"device": "another-cpu"}, {"device": "this-cpu", "threads": 2}, {"replicas": 2, "batch": 4}):
            outcome = replace(served, **changes)
            assert "up before the old one went" in outcome.note
    assert set(found) == {"answered"}, found
    assert found["answered"] > 50
    after = served.observe()
    assert after.condition == "healthy"
    assert after.endpoint == before.endpoint
    assert not set(before.pids) & set(after.pids)
    assert find([served.handle["token"]]) == [served.handle["pid"]]


def test_nobody_is_turned_away_while_it_moves_to_another_port_or_host(served: Any) -> None:
    first, second = served.handle["port"], free_port()
    with asking([("127.0.0.1", first), ("127.0.0.1", second)]) as found:
        replace(served, serve=Serve(port=second))
        assert served.handle["port"] == second
        replace(served, serve=Serve(host="0.0.0.0", port=second))
        assert served.handle["host"] == "0.0.0.0"
        replace(served, serve=Serve(host="127.0.0.1", port=second))
    assert set(found) == {"answered"}, found
    assert served.observe().condition == "healthy"


@dataclass
class KillingNotes:
    """Fake: notes on disk, and a process that kills itself at the n-th point, two for each note: before and after."""

    path: Path
    left: int

    def note(self, event: str, **facts: Any) -> None:
        self._point()
        with self.path.open("a") as file:
            file.write(json.dumps({"event": event, **facts}) + "\n")
        self._point()

    def notes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def _point(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def alone(tokens: list[str], pid: int) -> bool:
    """Return whether, soon, only this process is left of all that have one of these tokens."""
    end = time.monotonic() + 20
    while find(tokens) != [pid] and time.monotonic() < end:
        time.sleep(0.05)
    return find(tokens) == [pid]


def test_killed_at_every_note_of_a_replacement_nobody_notices_and_one_service_is_left(
    served: Any, tmp_path: Path
) -> None:
    """Whatever the point: the old service or its successor answers, and the next attempt leaves one of them."""
    tokens = [served.handle["token"]]
    with asking([("127.0.0.1", served.handle["port"])]) as found:
        for point in range(10):
            changed = served.deployment.model_copy(update={"device": f"cpu-{point}"})
            notes = KillingNotes(tmp_path / f"notes-{point}", point)
            step = action("replace", changed, served.deployment)
            if not is_killed(partial(served.executor.carry_out, step, served.handle, notes, served.store)):
                break
            tokens += [note["token"] for note in notes.notes() if "token" in note]
            begun = [note["event"] for note in notes.notes()]
            if begun in ([], ["succeeding"]) and point < 2:
                assert alone(tokens, served.handle["pid"]), "half a successor ends with its starter"
            again = NotedJournal(earlier=tuple(notes.notes()))
            replace(served, again, device=f"cpu-{point}")
            tokens.append(served.handle["token"])
            assert find(tokens) == [served.handle["pid"]]
            assert served.observe().condition == "healthy"
            assert served.observe().deployment_digest == digest_of(served.deployment)
            folder = served.store.runtime(served.deployment.intent)
            assert {path.name for path in folder.iterdir()} == {"ready", "service.log", "spec.json"}
    assert point == 4, "two notes, two points each"
    assert set(found) == {"answered"}, found


def test_where_both_do_not_fit_the_old_one_ends_first(served: Any) -> None:
    gap = Disruption(value=10.0, low=1.0, high=60.0, source="assumed", basis="restart")
    changed = served.deployment.model_copy(update={"device": "another"})
    step = action("replace", changed, served.deployment).model_copy(update={"downtime_s": gap})
    journal = NotedJournal()
    outcome = served.executor.carry_out(step, served.handle, journal, served.store)
    assert [note["event"] for note in journal.written] == ["stopping", "starting", "started"]
    assert outcome.handle["port"] == served.handle["port"], "clients find it where it was"
    served.handle, served.deployment = outcome.handle, changed
    assert served.observe().condition == "healthy"


def test_a_successor_that_does_not_come_up_leaves_the_old_one_as_it_was(served: Any) -> None:
    before = served.observe()
    changed = served.deployment.model_copy(update={"device": "another", "device_kind": "gpu"})
    with (
        asking([("127.0.0.1", served.handle["port"])]) as found,
        pytest.raises(WorldError, match="did not come up"),
    ):
        served.executor.carry_out(
            action("replace", changed, served.deployment), served.handle, NotedJournal(), served.store
        )
    assert set(found) == {"answered"}
    after = served.observe()
    assert (after.condition, after.pids, after.endpoint) == (before.condition, before.pids, before.endpoint)
