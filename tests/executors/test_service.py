"""A real service: its protocol, with the protocol's own client, and what it survives."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aios.records.errors import WorldError
from aios.records.intent import Serve
from aios.spi.conformance import action
from aios.spi.executor import Exercise
from aios_plugins.onnxruntime import Executor


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def post(url: str, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(url, timeout=5)
    try:
        connection.request("POST", path, body, headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def get(url: str, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(url, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


INFER = "/v2/models/digits/infer"


@contextlib.contextmanager
def asking(url: str, body: bytes) -> Iterator[list[tuple[int, Any]]]:
    """Ask without pause over three connections while the context lasts; yields the answers as they come, (status, what
    was said), status 0 where a connection broke."""
    found: list[tuple[int, Any]] = []
    enough = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(url, timeout=30)
        try:
            while not enough.is_set():
                connection.request("POST", INFER, body)
                response = connection.getresponse()
                found.append((response.status, json.loads(response.read())))
        except (OSError, http.client.HTTPException) as error:
            found.append((0, error))
        finally:
            connection.close()

    senders = [threading.Thread(target=ask) for _ in range(3)]
    for sender in senders:
        sender.start()
    try:
        yield found
    finally:
        enough.set()
        for sender in senders:
            sender.join()


def tensor(**changes: Any) -> dict[str, Any]:
    values = np.zeros((1, 1, 8, 8)).tolist()
    return {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": values, **changes}


def request(*tensors: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


def test_the_protocols_own_client_works_unchanged(kit: Any, shared: Any) -> None:
    import tritonclient.http as triton

    served = shared
    before = get(served.url, "/v2/models/digits/stats")[1]["requests"]
    artefact = served.executor.prepare(served.deployment, served.store)
    data = kit.images(3)
    expected = served.executor.infer(served.deployment, artefact, data)["logits"]
    with triton.InferenceServerClient(served.url, concurrency=2) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("digits")
        assert client.is_model_ready("digits", "1")
        assert not client.is_model_ready("letters")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        assert client.get_model_metadata("digits") == {
            "name": "digits",
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
            "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}],
        }
        for binary_in in (True, False):
            for binary_out in (True, False):
                given = triton.InferInput("image", [3, 1, 8, 8], "FP32")
                given.set_data_from_numpy(data["image"], binary_data=binary_in)
                wanted = triton.InferRequestedOutput("logits", binary_data=binary_out)
                answer = client.infer("digits", [given], outputs=[wanted], request_id="seven")
                assert answer.get_response()["id"] == "seven"
                assert np.allclose(answer.as_numpy("logits"), expected, atol=1e-5)
        pending = [client.async_infer("digits", [given]) for _ in range(8)]
        assert all(np.allclose(item.get_result().as_numpy("logits"), expected, atol=1e-5) for item in pending)
        with pytest.raises(triton.InferenceServerException, match="no model 'letters'"):
            client.infer("letters", [given])
    status, statistics = get(served.url, "/v2/models/digits/stats")
    assert (status, statistics["requests"]) == (200, before + 12)


def test_bad_requests_are_refused_with_a_reason_and_the_service_goes_on(shared: Any) -> None:
    url = shared.url
    header = {"Inference-Header-Content-Length": "0"}
    binary = tensor(parameters={"binary_data_size": 256})
    del binary["data"]
    head = request(binary)
    cut = {"Inference-Header-Content-Length": str(len(head))}
    bad = [
        (b"", None, 400, "not JSON"),
        (b"[" * 100_000, None, 400, "not JSON"),
        (b"[1]", None, 400, "no list of `inputs`"),
        (request(), None, 400, "needs the inputs 'image'"),
        (request(tensor(name="picture")), None, 400, "no input 'picture'; it has 'image'"),
        (request(tensor(), tensor()), None, 400, "given twice"),
        (request(tensor(datatype="FP64")), None, 400, "is FP32, not FP64"),
        (request(tensor(datatype="BYTES", data=["a"])), None, 400, "is FP32, not BYTES"),
        (request(tensor(shape=[1, 1, 8, 9])), None, 400, "not [1, 1, 8, 9]"),
        (request(tensor(shape=[0, 1, 8, 8], data=[])), None, 400, "not [0, 1, 8, 8]"),
        (request(tensor(shape="all")), None, 400, "not a list of sizes"),
        (request(tensor(shape=[1, 1, 8, True])), None, 400, "not a list of sizes"),
        (request(tensor(data=[1.0, 2.0])), None, 400, "does not fit the 2 values"),
        (request(tensor(data=[[1.0], [2.0, 3.0]])), None, 400, "no FP32 tensor"),
        (request(tensor(data=["a"] * 64)), None, 400, "does not hold FP32 values"),
        (request(tensor(), outputs=[{"name": "labels"}]), None, 400, "no output 'labels'"),
        (request(tensor()), header, 400, "not JSON"),
        (request(tensor()), {"Inference-Header-Content-Length": "99999"}, 400, "but the body has"),
        (request(tensor()), {"Inference-Header-Content-Length": "-1"}, 400, "not a number"),
        (head + b"\0" * 200, cut, 400, "256 bytes are announced, but the body has only 200 left"),
        (head + b"\0" * 300, cut, 400, "44 bytes are left over"),
        (request(tensor()), {"Content-Encoding": "gzip"}, 415, "compressed"),
        (b"", {"Content-Length": str(1 << 30)}, 413, "larger than"),
    ]
    for body, headers, status, reason in bad:
        got = post(url, INFER, body, headers)
        assert got[0] == status, (reason, got)
        assert reason in got[1]["error"], got
    assert post(url, "/v2/models/letters/infer", request(tensor()))[0] == 404
    assert post(url, "/v2/models/digits/versions/2/infer", request(tensor()))[0] == 404
    assert get(url, INFER)[0] == 405
    assert get(url, "/aios/status")[0] == 403
    assert get(url, "/nothing")[0] == 404
    assert post(url, INFER, request(tensor()))[0] == 200


def test_a_body_that_ends_early_costs_nobody_else(shared: Any) -> None:
    served = shared
    with socket.create_connection((served.handle["host"], served.handle["port"]), timeout=5) as broken:
        broken.sendall(f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{{".encode())
    assert post(served.url, INFER, request(tensor()))[0] == 200


def test_batches_give_the_answers_of_single_calls(kit: Any, shared: Any) -> None:
    served = shared
    before = get(served.url, "/v2/models/digits/stats")[1]
    data = kit.images(64)
    artefact = served.executor.prepare(served.deployment, served.store)
    expected = served.executor.infer(served.deployment, artefact, data)["logits"]
    load = Exercise(at_s=np.zeros(64), item=np.arange(64), inputs=data, keep_outputs=True)
    trace = served.executor.exercise(served.handle, load)
    assert not trace.errors
    assert np.allclose(trace.outputs["logits"], expected, atol=1e-4)
    after = get(served.url, "/v2/models/digits/stats")[1]
    assert after["requests"] - before["requests"] == 64
    assert after["batches"] - before["batches"] < 64, "64 requests at once were never joined"


def test_more_items_than_the_batch_are_computed_in_pieces(kit: Any, shared: Any) -> None:
    served = shared
    data = kit.images(5)
    artefact = served.executor.prepare(served.deployment, served.store)
    body = request(tensor(shape=[5, 1, 8, 8], data=data["image"].ravel().tolist()))
    answer = post(served.url, INFER, body)[1]["outputs"][0]
    expected = served.executor.infer(served.deployment, artefact, data)["logits"]
    assert answer["shape"] == [5, 10]
    assert np.allclose(np.array(answer["data"]).reshape(5, 10), expected, atol=1e-4)


def test_a_killed_worker_is_replaced_and_no_request_fails(tmp_path: Path, kit: Any, serve: Any) -> None:
    served = serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"), replicas=2))
    front, first, _ = served.observe().pids
    load = Exercise(at_s=np.arange(0, 1.2, 0.01), item=np.zeros(120, np.int64), inputs=kit.images(1))
    killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
    killer.start()
    trace = served.executor.exercise(served.handle, load)
    killer.join()
    assert not trace.errors
    until(lambda: served.observe().condition == "healthy")
    pids = served.observe().pids
    assert pids[0] == front
    assert first not in pids


def test_when_the_front_process_is_killed_its_workers_go_too(tmp_path: Path, kit: Any, serve: Any) -> None:
    served = serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"), replicas=2))
    pids = served.observe().pids
    assert len(pids) == 3
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids))
    seen = served.observe()
    assert seen.condition == "dead"
    assert str(pids[0]) in seen.detail
    # The same action again is the way back; the port stays.
    port = served.handle["port"]
    served.update()
    assert served.observe().condition == "healthy"
    assert served.handle["port"] == port


def test_an_update_under_load_turns_no_request_away(tmp_path: Path, kit: Any, serve: Any) -> None:
    served = serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx")))
    other = kit.convolutional(tmp_path / "other.onnx", channels=(4, 8), seed=5)
    changed = kit.deployment_of(other)
    same_process = served.handle["pid"]
    before = served.executor.infer(served.deployment, served.executor.prepare(served.deployment, served.store),
                                   kit.images(1))["logits"]  # fmt: skip
    with asking(served.url, request(tensor(data=kit.images(1)["image"].tolist()))) as found:
        until(lambda: len(found) >= 20)
        served.update(model="other", model_path=str(other), model_digest=changed.model_digest, replicas=2)
        asked = len(found)
        until(lambda: len(found) >= asked + 20)
    assert {status for status, _ in found} == {200}, [item for item in found if item[0] != 200]
    assert served.handle["pid"] == same_process
    artefact = served.executor.prepare(served.deployment, served.store)
    after = served.executor.infer(served.deployment, artefact, kit.images(1))["logits"]
    answers = np.array([answer["outputs"][0]["data"] for _, answer in found]).reshape(len(found), -1)
    old, new = (np.isclose(answers, logits, atol=1e-4).all(axis=1) for logits in (before, after))
    assert (old ^ new).all(), "each is the whole answer of one of the two"
    assert old[:20].all()
    assert old[asked:].sum() <= 3, "one that each of three senders had asked before the update was done"
    assert new[-1]


def test_a_port_in_use_is_found_before_and_during(tmp_path: Path, kit: Any, prepared_store: Any) -> None:
    executor = Executor()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        serve = Serve(port=port)
        wanted = kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"), serve=serve)
        found = executor.validate(action("create", wanted))
        assert [item.summary for item in found] == [f"port {port} on 127.0.0.1 is in use by another program"]
        from aios.spi.conformance import NotedJournal

        with pytest.raises(WorldError, match=f"cannot listen on 127.0.0.1:{port}"):
            executor.carry_out(action("create", wanted), None, NotedJournal(), prepared_store)
    assert not executor.validate(action("create", wanted))


def test_a_damaged_artefact_is_not_loaded(tmp_path: Path, kit: Any, serve: Any, store: Any) -> None:
    served = serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx")), store)
    artefact = served.executor.prepare(served.deployment, served.store)
    path = Path(artefact.path) / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    worker = served.observe().pids[1]
    os.kill(worker, signal.SIGKILL)
    log = Path(served.handle["runtime"]) / "service.log"
    until(lambda: "sha256 differs" in log.read_text())
    assert served.observe().replicas_ready == 0
    assert served.observe().condition != "healthy"


def test_a_service_that_cannot_start_says_why(tmp_path: Path, kit: Any, store: Any) -> None:
    import onnxruntime as ort

    from aios.spi.conformance import NotedJournal

    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this onnxruntime can do what is asked for here in vain")
    wanted = kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"), device_kind="gpu")
    executor = Executor()
    journal = NotedJournal()
    with pytest.raises(WorldError) as caught:
        executor.carry_out(action("create", wanted), None, journal, store)
    reason = str(caught.value.diagnostics[0].reason)
    assert "onnxruntime computes with CPUExecutionProvider, not with CUDAExecutionProvider" in reason
    executor.carry_out(action("delete", None, wanted), None, NotedJournal(earlier=journal.written), store)


def test_more_requests_than_connections_fail_one_by_one_and_the_rest_is_answered(shared: Any) -> None:
    """The generator runs where few files may be open, which only a process of its own can be told."""
    code = f"""
        import json, resource, sys
        import numpy as np
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
        from aios.spi.executor import Exercise
        from aios_plugins.onnxruntime import Executor
        images = np.zeros((1, 1, 8, 8), np.float32)
        load = Exercise(at_s=np.zeros(600), item=np.zeros(600, np.int64), inputs={{"image": images}})
        trace = Executor().exercise(json.loads({json.dumps(json.dumps(shared.handle))}), load)
        print(json.dumps([int(np.isfinite(trace.latency_s).sum()), dict(trace.errors)]))
    """
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True).stdout
    answered, errors = json.loads(said)
    assert errors == {"not sent: 96 requests were under way, and no more connections can be opened": 600 - answered}
    assert 96 <= answered < 600
