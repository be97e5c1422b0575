"""What protection costs a service: seconds from its process to ready and to its first answer, memory, time of a call.

Run: python benchmarks/protection.py [MODEL.onnx...] [--rounds 20] [--mib 200]. Without a model, one of layers that
multiply matrices is made, of so many MiB. A round starts the same service plain, encrypted, and signed and
attested as well, in turns, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from aios.records.base import canonical_json
from aios.records.plan import Deployment
from aios.records.protection import Protection
from aios.records.selection import Placement
from aios.spi.attesting import attestation_of, attestation_path
from aios.spi.executor import Artefact
from aios.spi.keys import key_pair, private_key
from aios.state import ArtefactStore
from aios_plugins.onnxruntime import Executor
from aios_plugins.onnxruntime.control import ControlError, ask
from aios_plugins.onnxruntime.launching import listen, spec_of
from aios_plugins.onnxruntime.spec import SPEC, write_spec
from aios_plugins.onnxruntime.system import children, end, module_command, spawn

_POLL_S = 0.002
_REQUESTS = 60


class Start(NamedTuple):
    """One start of a service, in seconds from its process on. memory: proportional, bytes · request: median of some"""

    ready: float
    answer: float
    memory: float
    request: float


def matrices(path: Path, mib: int) -> Path:
    """Write a model whose weights take about so many MiB."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    size, count = 2048, max(1, mib // 16)
    random = np.random.default_rng(0)
    nodes, constants, value = [], [], "x"
    for index in range(count):
        weight = (random.standard_normal((size, size)) / size**0.5).astype(np.float32)
        constants.append(numpy_helper.from_array(weight, f"w{index}"))
        nodes += [
            helper.make_node("MatMul", [value, f"w{index}"], [f"m{index}"]),
            helper.make_node("Relu", [f"m{index}"], [f"r{index}"]),
        ]
        value = f"r{index}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name in ("x", value)]
    graph = helper.make_graph(nodes, "matrices", ends[:1], ends[1:], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def deployment_of(path: Path, protection: Protection | None, replicas: int = 1) -> Deployment:
    """Return a deployment of the model on this machine."""
    from aios_plugins.onnxruntime.build import _digest

    return Deployment(
        intent="measured",
        task="any",
        model=path.stem,
        model_path=str(path),
        model_digest=_digest(path),
        precision="fp32",
        quantization="none",
        device="this-cpu",
        device_kind="cpu",
        batch=1,
        max_delay_s=0.0,
        threads=1,
        replicas=replicas,
        executor="onnxruntime",
        placement=(Placement(node="local", devices=("cpu0",), share=0.5, replicas=replicas),),
        addresses={"local": "local"},
        protection=protection,
    )


@contextmanager
def started(deployment: Deployment, artefact: Artefact, folder: Path) -> Iterator[Start]:
    """Start the service in a folder of its own; it ends with the context."""
    folder.mkdir(mode=0o700)
    token = f"aios-{secrets.token_hex(16)}"
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        write_spec(folder / SPEC, spec_of(deployment, artefact, port, token, token))
        begin = time.perf_counter()
        command = module_command("serve", str(folder / SPEC), token)
        pid = spawn(
            command, log=folder / "log", descriptors={3: listening.fileno()}, apart=True, environment=os.environ
        )
    try:
        ready = _until(lambda: ask("127.0.0.1", port, "GET", "/aios/status", token)["started"], folder) - begin
        body = _request(port)
        answer = _until(lambda: _post(port, body) > 0, folder) - begin
        times = sorted(_post(port, body) for _ in range(_REQUESTS))
        yield Start(ready, answer, _memory([pid, *children(pid)]), times[len(times) // 2])
    finally:
        end(pid, 2.0)


def _until(done: object, folder: Path) -> float:
    limit = time.perf_counter() + 60
    while time.perf_counter() < limit:
        try:
            if done():  # type: ignore[operator]
                return time.perf_counter()
        except (OSError, ControlError):
            pass
        time.sleep(_POLL_S)
    raise SystemExit((folder / "log").read_text())


def _request(port: int) -> bytes:
    """Return a request of one item of zeros, from what the service says of its inputs."""
    told = ask("127.0.0.1", port, "GET", "/v2/models/measured")
    inputs = []
    for item in told["inputs"]:
        shape = [max(size, 1) for size in item["shape"]]
        count = 1
        for size in shape:
            count *= size
        inputs.append({"name": item["name"], "datatype": item["datatype"], "shape": shape, "data": [0] * count})
    return json.dumps({"inputs": inputs}).encode()


def _post(port: int, body: bytes) -> float:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v2/models/measured/infer", body)
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != 200:
        raise ControlError(str(response.status))
    return float(response.headers["aios-compute-us"]) / 1e6


def _memory(pids: list[int]) -> float:
    """Return what the processes take, pages that they share counted once (proportional set size)."""
    found = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found * 1024.0


def variants(folder: Path) -> dict[str, Protection | None]:
    """Return name -> protection, with keys in ``folder``."""
    (folder / "model.key").write_text(secrets.token_hex(32))
    (folder / "model.key").chmod(0o600)
    pair = key_pair(os.urandom(32), None)
    (folder / "sign.pem").write_bytes(pair.private)
    (folder / "sign.pub").write_bytes(pair.public)
    key, public = f"file:{folder / 'model.key'}", str(folder / "sign.pub")
    return {
        "plain": None,
        "encrypted": Protection(encrypted=True, key=key),
        "encrypted, signed, attested": Protection(
            encrypted=True, signed=True, attested=True, key=key, verify_key=public
        ),
    }


def main() -> None:
    """Print one table for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--mib", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aios-protection-") as name:
        folder = Path(name)
        ways = variants(folder)
        key = private_key((folder / "sign.pem").read_bytes(), None, "sign.pem")
        for path in asked.models or [matrices(folder / f"matrices-{asked.mib}.onnx", asked.mib)]:
            found: dict[str, list[Start]] = {way: [] for way in ways}
            executor, store = Executor(), ArtefactStore(folder / "artefacts")
            programs = executor.programs()
            made = {}
            for way, protection in ways.items():
                deployment = deployment_of(path.absolute(), protection, asked.replicas)
                artefact = executor.prepare(deployment, store)
                now = datetime.now(UTC).isoformat()
                text = canonical_json(attestation_of(artefact, programs, key, now))
                attestation_path(Path(artefact.path)).write_text(text)
                made[way] = (deployment, artefact)
            for turn in range(asked.rounds):
                for way in list(ways)[turn % len(ways) :] + list(ways)[: turn % len(ways)]:
                    with started(*made[way], folder / secrets.token_hex(8)) as start:
                        found[way].append(start)
            _print(path, found, Path(made["plain"][1].path))


def _print(path: Path, found: dict[str, list[Start]], artefact: Path) -> None:
    size = sum(item.stat().st_size for item in artefact.iterdir()) / 2**20
    rounds = len(found["plain"])
    print(f"\n{path.name}: artefact of {size:.1f} MiB, {rounds} rounds, medians; ratio: of each round's pair, median")
    print("| service | ready | ratio | first answer | ratio | memory | request |\n|---|---:|---:|---:|---:|---:|---:|")
    plain = found["plain"]
    for way, starts in found.items():
        median = Start(*(statistics.median(column) for column in zip(*starts, strict=True)))
        ready = statistics.median(a.ready / b.ready for a, b in zip(starts, plain, strict=True))
        answer = statistics.median(a.answer / b.answer for a, b in zip(starts, plain, strict=True))
        print(
            f"| {way} | {median.ready * 1e3:.0f} ms | {ready:.3f} | {median.answer * 1e3:.0f} ms | {answer:.3f} | "
            f"{median.memory / 2**20:.0f} MiB | {median.request * 1e6:.0f} us |"
        )


if __name__ == "__main__":
    print(f"python {sys.version.split()[0]}, {Executor().engine()}, {os.cpu_count()} cores, ", end="")
    print(subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True).stdout.strip())
    main()
