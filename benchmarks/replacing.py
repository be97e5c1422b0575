"""Requests that fail while a service is changed and replaced: clients that never stop, the commands as users run them.

    python benchmarks/replacing.py [--clients 4] [--rounds 1]

The service is the digits example. Half of the clients keep their connection, half make a new one for each request. A
request fails when it gets no answer or another one than 200; a client whose connection is refused tries the address
that the service moves to.
"""

import argparse
import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from aios.workflow.keeping import load_state
from aios.workflow.setting import Setting

ROOT = Path(__file__).resolve().parents[1]
AIOS = (sys.executable, "-m", "aios.cli.main")
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: read-digits}}
spec:
  task: image-classification
  model: ./models/{model}.onnx
  load: {{rate: 1/s}}
  require: {{latency: {{p99: 5 s}}}}
  pin: {{precision: {precision}, threads: {threads}, batch: 1, replicas: {replicas}}}
  serve: {{host: {host}, port: {port}}}
"""
BODY = json.dumps(
    {"inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [0.0] * 784}]}
).encode()


class Clients:
    """Threads that ask without pause."""

    def __init__(self, count: int, ports: list[int]) -> None:
        self.ports = ports
        self.answers: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(count)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _connected(self) -> http.client.HTTPConnection:
        for port in self.ports:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.connect()
                return connection
            except ConnectionRefusedError:
                connection.close()
        raise ConnectionRefusedError(f"nobody listens on {self.ports}")

    def _ask(self, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._enough.is_set():
            began = time.monotonic()
            try:
                if connection is None or connection.sock is None:
                    connection = self._connected()
                connection.request("POST", "/v2/models/read-digits/infer", BODY)
                response = connection.getresponse()
                response.read()
                self.answers["answered" if response.status == 200 else f"status {response.status}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1
                if connection is not None:
                    connection.close()
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            if not keep and connection is not None:
                connection.close()
        if connection is not None:
            connection.close()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


def apply(folder: Path, **told: object) -> None:
    """Write the intent and carry it out."""
    (folder / "intent.yaml").write_text(INTENT.format(**told))
    done = subprocess.run(
        [*AIOS, "apply", "intent.yaml", "--yes"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")
    print("    " + done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Print what clients met during each change."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clients", type=int, default=4)
    options.add_argument("--rounds", type=int, default=1)
    given = options.parse_args()
    first, second = free_ports(2)
    usual = {"model": "digits-s", "precision": "fp32", "threads": 1, "replicas": 1, "host": "127.0.0.1", "port": first}
    changes = [
        ("another model, in place", {"model": "digits-m"}),
        ("another precision, in place", {"precision": "int8"}),
        ("two threads, in place", {"threads": 2}),
        ("another host, replaced", {"host": "0.0.0.0"}),
        ("the host of before, replaced", {}),
        ("another port, replaced", {"port": second}),
        ("the port of before, replaced", {}),
    ]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(ROOT / "examples" / "digits" / "models", folder / "models")
        subprocess.run([*AIOS, "init", "."], cwd=folder, capture_output=True, check=True)
        apply(folder, **usual)
        try:
            failed = 0
            for name, change in changes * given.rounds:
                with Clients(given.clients, [first, second]) as clients:
                    time.sleep(0.2)
                    apply(folder, **usual | change)
                    time.sleep(0.2)
                answered = clients.answers.pop("answered", 0)
                failed += sum(clients.answers.values())
                others = dict(clients.answers) or "none failed"
                print(f"{name}: {answered} answered, {others}, slowest {clients.slowest_s:.2f} s", flush=True)
            print(f"failed in all: {failed}")
            assert load_state(Setting(state=folder / ".aios" / "state.json")).run is None
        finally:
            subprocess.run([*AIOS, "destroy", "--yes"], cwd=folder, capture_output=True, check=False)


if __name__ == "__main__":
    main()
