"""What a service counts of itself, and how it tells it."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from aios.spi.counting import BOUNDS_S, FORGET_S
from aios.spi.executor import Exercise
from aios_plugins.onnxruntime import tally as tallying
from aios_plugins.onnxruntime.processes import Processes
from aios_plugins.onnxruntime.system import listener
from aios_plugins.onnxruntime.tally import Tally


def load(items: Any, count: int, gap_s: float = 0.005) -> Exercise:
    return Exercise(
        at_s=np.arange(count) * gap_s, item=np.arange(count) % len(next(iter(items.values()))), inputs=items
    )


def get(url: str, path: str, accept: str = "") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(url, timeout=5)
    try:
        connection.request("GET", path, headers={"accept": accept})
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read().decode()
    finally:
        connection.close()


def samples(text: str, parser: Any = parse) -> dict[tuple[str, str], float]:
    """(name, value of the one label that is not constant) -> value"""
    found = {}
    for family in parser(text):
        for sample in family.samples:
            found[sample.name, sample.labels.get("le") or sample.labels.get("outcome", "")] = sample.value
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time as the tally sees it. boot_s: since the machine started · ns: of the clock that times requests"""
    now = SimpleNamespace(boot_s=1000.0, ns=0)
    stand_in = SimpleNamespace(
        CLOCK_BOOTTIME=time.CLOCK_BOOTTIME, clock_gettime=lambda _: now.boot_s, perf_counter_ns=lambda: now.ns
    )
    monkeypatch.setattr(tallying, "time", stand_in)
    return now


def test_minutes_are_differences(clock: SimpleNamespace) -> None:
    tally = Tally()
    for took_ms, outcome in ((3, "ok"), (4, "ok"), (900, "abandoned"), (1, "failed"), (1, "invalid")):
        tally.under_way += 1
        clock.ns += took_ms * 1_000_000
        tally.answered(outcome, clock.ns - took_ms * 1_000_000)
    tally.computed(2, 500, 3000)
    clock.boot_s += 60
    tally.close_minute()
    tally.delayed(40_000_000, 3)
    clock.boot_s += 5
    told = json.loads(tally.remembered())
    first, second = told["stretches"]
    assert (told["now"], first["began"], first["ended"], second["ended"]) == (1065.0, 1000.0, 1060.0, 1065.0)
    assert (first["requests"], first["failed"], first["queue_us"], first["compute_us"]) == (4, 1, 500, 3000)
    assert [(BOUNDS_S[index], count) for index, count in first["latency"]] == [(0.00316, 1), (0.00422, 1), (0.909, 1)]
    assert (second["requests"], second["latency"]) == (0, [])
    assert [count for _, count in second["delay"]] == [3]
    assert tally.under_way == 0
    assert tally.outcomes == {"ok": 2, "invalid": 1, "failed": 1, "overloaded": 0, "abandoned": 1, "trial": 0}


def test_what_is_older_than_a_day_is_forgotten_and_the_rest_is_small(clock: SimpleNamespace) -> None:
    tally = Tally()
    for _ in range(2000):
        for took_us in (300, 400, 500, 700, 1000, 3000):
            tally.answered("ok", clock.ns - took_us * 1000)
        clock.boot_s += 60
        tally.close_minute()
    told = tally.remembered()
    stretches = json.loads(told)["stretches"]
    assert len(stretches) == FORGET_S / 60 + 2
    assert len(told) < 400 * len(stretches)
    assert tally.recent()["requests"] == 5 * 6


def test_metrics_are_what_prometheus_reads(shared: Any, kit: Any) -> None:
    before = samples(get(shared.url, "/metrics")[2])
    assert not shared.executor.exercise(shared.handle, load(kit.images(), 40)).errors
    status, kind, text = get(shared.url, "/metrics")
    after = samples(text)

    def grew(name: str, label: str = "") -> float:
        return after[name, label] - before[name, label]

    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert grew("aios_requests_total", "ok") == 40
    assert grew("aios_request_duration_seconds_count") == 40
    assert grew("aios_request_duration_seconds_bucket", "+Inf") == 40
    assert 0 < grew("aios_request_duration_seconds_sum") < 40
    assert grew("aios_batch_requests_sum") == 40
    assert grew("aios_batch_compute_seconds_total") > 0
    assert grew("aios_arrival_delay_seconds_count") > 0
    assert grew("aios_cpu_seconds_total") > 0
    assert after["aios_requests_in_flight", ""] == 0
    assert after["aios_replicas_ready", ""] == after["aios_replicas_wanted", ""] == 1
    assert after["aios_resident_memory_bytes", ""] > 1e6
    assert after["aios_start_time_seconds", ""] == pytest.approx(time.time_ns() / 1e9, abs=600)
    assert shared.observe().deployment_digest in text
    if Processes().why_no_energy:
        assert ("aios_package_energy_joules_total", "") not in after
        assert "Absent: " in text


def test_openmetrics_where_it_is_asked_for(shared: Any) -> None:
    _, kind, text = get(shared.url, "/metrics", "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert ("aios_requests_total", "ok") in samples(text, parse_openmetrics)


def test_what_is_refused_is_counted_by_whose_fault_it_is(shared: Any) -> None:
    before = samples(get(shared.url, "/metrics")[2])
    connection = http.client.HTTPConnection(shared.url, timeout=5)
    connection.request("POST", f"/v2/models/{shared.deployment.served_as}/infer", b"{}")
    assert connection.getresponse().status == 400
    connection.close()
    after = samples(get(shared.url, "/metrics")[2])
    assert after["aios_requests_total", "invalid"] - before["aios_requests_total", "invalid"] == 1
    assert after["aios_requests_in_flight", ""] == 0
    assert get(shared.url, "/aios/counted")[0] == 403, "what it counted by the minute needs the secret"


def test_a_replica_that_died_is_counted_and_one_that_hangs_shows_in_what_waited(
    tmp_path: Path, kit: Any, serve: Any
) -> None:
    served = serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx")))
    front, worker = served.observe().pids
    os.kill(worker, signal.SIGKILL)
    end = time.monotonic() + 15
    while not (seen := served.observe()).restarts or seen.condition != "healthy":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert seen.restarts == 1
    cpu = samples(get(served.url, "/metrics")[2])["aios_cpu_seconds_total", ""]
    assert cpu > 0.1, "the time of the replica that died is in it"
    os.kill(front, signal.SIGSTOP)
    time.sleep(0.4)
    os.kill(front, signal.SIGCONT)
    time.sleep(0.1)
    delays = [(BOUNDS_S[index], count) for index, count in served.observe().recent.delay]
    assert 6 <= sum(count for bound, count in delays if bound > 0.04) <= 10, "one in 47 ms arrived while it was stopped"
    assert max(bound for bound, _ in delays) == pytest.approx(0.4, rel=0.2)


def test_a_changed_artefact_and_a_stolen_port_are_seen(tmp_path: Path, kit: Any, serve: Any, store: Any) -> None:
    served = serve(kit.deployment_of(kit.convolutional(tmp_path / "small.onnx")), store)
    assert served.observe().differences == ()
    assert listener(served.handle["port"]).startswith(f"process {served.handle['pid']} (python")
    (file,) = store.root.glob("*/files/model.onnx")
    whole = file.read_bytes()
    file.write_bytes(whole + b"x")
    (difference,) = served.observe().differences
    assert "its sha256 differs" in difference
    file.write_bytes(whole)
    assert served.observe().differences == (), "what is as it was made is no difference, whenever it was written"
    file.unlink()
    assert "is missing" in served.observe().differences[0]
    os.kill(served.handle["pid"], signal.SIGKILL)
    end = time.monotonic() + 10
    while served.observe().condition != "dead":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert served.observe().taken_by is None
    with http.client.socket.create_server(("127.0.0.1", served.handle["port"])):
        assert served.observe().taken_by.startswith(f"process {os.getpid()} (")


def test_trials_are_counted_apart(shared: Any, kit: Any) -> None:
    before = samples(get(shared.url, "/metrics")[2])
    asked = shared.observe().recent.requests
    trial = dataclasses.replace(load(kit.images(), 20), trial=True)
    assert not shared.executor.exercise(shared.handle, trial).errors
    after = samples(get(shared.url, "/metrics")[2])
    grew = {name: after[name] - before[name] for name in after}
    assert grew["aios_requests_total", "trial"] == 20
    assert grew["aios_requests_total", "ok"] == grew["aios_request_duration_seconds_count", ""] == 0
    assert after["aios_requests_in_flight", ""] == 0
    assert shared.observe().recent.requests <= asked
