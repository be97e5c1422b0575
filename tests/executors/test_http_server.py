"""The HTTP server, spoken to in bytes: what careful, careless and hostile clients send."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aios_plugins.onnxruntime.httpd import BODY_LIMIT, Exchange, Server

INFER = "POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\n"
ITEM = json.dumps(
    {"inputs": [{"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [0.5] * 64}]}
).encode()


class Client:
    """A socket that reads answers one by one."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.stream = self.socket.makefile("rb")

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def answer(self, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        line = self.stream.readline()
        assert line, "the connection ended instead of an answer"
        headers = {}
        while (field := self.stream.readline().strip()) != b"":
            name, _, value = field.decode().partition(": ")
            headers[name] = value
        body = self.stream.read(int(headers.get("content-length", "0"))) if has_body else b""
        return int(line.split()[1]), headers, body

    def ended(self) -> bool:
        """Whether the server closed and sent nothing more."""
        return self.stream.read() == b""

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@pytest.fixture
def client(shared: Any) -> Iterator[Client]:
    made = Client((shared.handle["host"], shared.handle["port"]))
    yield made
    made.close()


def with_length(body: bytes, more: str = "") -> bytes:
    return f"{INFER}{more}content-length: {len(body)}\r\n\r\n".encode() + body


def logits(body: bytes) -> list[float]:
    (output,) = json.loads(body)["outputs"]
    return list(output["data"])


def test_a_connection_stays_open_for_the_next_request(client: Client) -> None:
    for _ in range(3):
        client.send(with_length(ITEM))
        status, headers, body = client.answer()
        assert status == 200
        assert "connection" not in headers
        assert len(logits(body)) == 10


def test_requests_sent_ahead_are_answered_in_their_order(client: Client) -> None:
    document = json.loads(ITEM)
    wanted = [f"r{i}" if i % 3 else None for i in range(60)]
    for identity in wanted:
        request = with_length(json.dumps({**document, "id": identity}).encode())
        client.send(request if identity else "GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
    got = [json.loads(client.answer()[2]).get("id") for _ in wanted]
    assert got == wanted


def test_a_request_in_single_bytes_is_one_request(client: Client) -> None:
    for byte in with_length(ITEM):
        client.send(bytes([byte]))
    assert client.answer()[0] == 200


def test_a_chunked_body_is_put_together(client: Client) -> None:
    client.send(f"{INFER}transfer-encoding: chunked\r\n\r\n")
    for at in range(0, len(ITEM), 100):
        piece = ITEM[at : at + 100]
        client.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    client.send("0\r\n\r\n")
    status, _headers, body = client.answer()
    assert status == 200
    assert len(logits(body)) == 10


def test_a_client_that_asks_first_is_told_to_go_on(client: Client) -> None:
    client.send(f"{INFER}expect: 100-continue\r\ncontent-length: {len(ITEM)}\r\n\r\n")
    assert client.answer()[0] == 100
    client.send(ITEM)
    assert client.answer()[0] == 200


def test_another_expectation_cannot_be_met(client: Client) -> None:
    client.send(f"{INFER}expect: a-miracle\r\ncontent-length: 5\r\n\r\n")
    assert client.answer()[0] == 417
    assert client.ended()


def test_too_large_a_body_is_refused_before_it_is_sent(client: Client) -> None:
    client.send(f"{INFER}expect: 100-continue\r\ncontent-length: {BODY_LIMIT + 1}\r\n\r\n")
    status, headers, body = client.answer()
    assert (status, headers["connection"]) == (413, "close")
    assert b"larger than" in body


def test_too_large_a_chunked_body_is_refused_while_it_is_sent(client: Client) -> None:
    client.send(f"{INFER}transfer-encoding: chunked\r\n\r\n")
    piece = b"%x\r\n" % (1 << 22) + bytes(1 << 22) + b"\r\n"
    for _ in range((BODY_LIMIT >> 22) + 1):
        client.send(piece)
    # It goes on sending a little: the answer must reach it all the same.
    client.send(piece)
    assert client.answer()[0] == 413
    assert client.ended()


@pytest.mark.parametrize(
    "garbage",
    [
        "\x16\x03\x01\x02\x00\x01",
        "HELLO\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        f"{INFER}content-length: -1\r\n\r\n",
        f"{INFER}content-length: 5\r\ncontent-length: 6\r\n\r\n",
        f"{INFER}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        f"{INFER}transfer-encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(client: Client, garbage: str) -> None:
    client.send(garbage)
    status, headers, body = client.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert "no HTTP request" in json.loads(body)["error"]
    assert client.ended()


def test_garbage_behind_a_request_does_not_cost_its_answer(client: Client) -> None:
    client.send(with_length(ITEM) + b"garbage\r\n\r\n")
    assert client.answer()[0] == 200
    assert client.answer()[0] == 400
    assert client.ended()


def test_headers_without_end_are_refused(client: Client) -> None:
    client.send(INFER)
    client.send("x: " + "y" * (1 << 17))
    assert client.answer()[0] == 431


@pytest.mark.parametrize(
    "version", ["HTTP/1.1\r\nhost: x\r\nconnection: close", "HTTP/1.0", "HTTP/1.1\r\nupgrade: h2c"]
)
def test_a_last_request_is_answered_and_the_connection_closed(client: Client, version: str) -> None:
    upgrade = "\r\nconnection: upgrade" if "upgrade" in version else ""
    client.send(f"GET /v2/health/live?why=not {version}{upgrade}\r\n\r\n")
    status, headers, body = client.answer()
    assert (status, headers["connection"], body) == (200, "close", b'{"live": true}')
    assert client.ended()


def test_head_gets_the_headers_alone(client: Client) -> None:
    client.send("HEAD /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
    status, headers, _ = client.answer(has_body=False)
    assert (status, headers["content-length"]) == (200, "14")
    client.send("GET /v2/models/d%69gits/ready HTTP/1.1\r\nhost: x\r\n\r\n")
    assert json.loads(client.answer()[2]) == {"name": "digits", "ready": True}
    client.send("GET http://x/v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
    assert client.answer()[0] == 200


def test_a_service_that_is_stopped_answers_what_it_has_accepted(kit: Any, tmp_path: Any, serve: Any) -> None:
    served = serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx")))
    address = (served.handle["host"], served.handle["port"])
    begun, idle = Client(address), Client(address)
    for client in (begun, idle):
        client.send("GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.answer()[0] == 200
    request = with_length(ITEM)
    begun.send(request[:200])
    time.sleep(0.1)
    os.kill(served.handle["pid"], signal.SIGTERM)
    assert idle.ended()
    with pytest.raises(ConnectionRefusedError):
        Client(address)
    begun.send(request[200:])
    status, headers, body = begun.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert len(logits(body)) == 10
    assert begun.ended()
    begun.close()
    idle.close()


class InThisProcess:
    """A server in a thread. The application answers ``/large``, makes a mistake at ``/mistake``, and keeps the rest."""

    def __init__(self, **limits: float) -> None:
        self.kept: list[Exchange] = []
        self.given_up = threading.Event()
        self.address: tuple[str, int] = ("", 0)
        self._limits = limits
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait()

    def _answer(self, exchange: Exchange) -> None:
        if exchange.path == "/large":
            exchange.answer(200, bytes(32 << 20))
        elif exchange.path == "/mistake":
            raise ZeroDivisionError
        else:
            exchange.gone = self.given_up.set
            self.kept.append(exchange)

    def _run(self) -> None:
        self._server = Server(self._answer, **self._limits)
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self._loop.run_until_complete(self._server.start(listening))
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        self._loop.run_until_complete(self._server.stop(0.2))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    @property
    def clients(self) -> int:
        return len(self._server.connections)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@pytest.fixture
def strict() -> Iterator[InThisProcess]:
    server = InThisProcess(idle_s=0.5, stall_s=0.25)
    yield server
    server.close()


def test_idle_and_slow_clients_are_closed_and_waiting_ones_are_not(strict: InThisProcess) -> None:
    idle, slow, deaf, waiting = (Client(strict.address) for _ in range(4))
    slow.send("GET / HTTP/1.1\r\nx: ")
    deaf.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    waiting.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert idle.ended()
    assert slow.ended()
    end = time.monotonic() + 5
    while strict.clients > 1:
        assert time.monotonic() < end, "a client that takes no answer is kept"
        time.sleep(0.01)
    strict._loop.call_soon_threadsafe(strict.kept[0].answer, 200, b"{}")
    assert waiting.answer()[0] == 200
    for client in (idle, slow, deaf, waiting):
        client.close()


def test_who_hangs_up_is_not_computed_for(strict: InThisProcess) -> None:
    client = Client(strict.address)
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    while not strict.kept:
        time.sleep(0.01)
    client.close()
    assert strict.given_up.wait(5)


def test_a_mistake_in_the_application_costs_one_request(strict: InThisProcess, capsys: Any) -> None:
    client = Client(strict.address)
    client.send("GET /mistake HTTP/1.1\r\nhost: x\r\n\r\nGET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    assert client.answer()[0] == 500
    assert client.answer()[0] == 200
    client.close()
    assert "ZeroDivisionError" in capsys.readouterr().err
