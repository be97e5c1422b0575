"""A service is replaced while clients ask without pause: nobody is turned away."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aios.records.intent import Serve
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
