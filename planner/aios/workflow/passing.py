"""Requests through all stages of an applied pipeline, in order, over their Open Inference Protocol endpoints."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from aios.spi.counting import TRIAL_HEADER
from aios.spi.executor import Trace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Leg", "Passed", "pass_through"]

_TIMEOUT_S = 10.0
_TYPES = {"FP32": "float32", "FP64": "float64", "FP16": "float16", "INT64": "int64", "INT32": "int32", "INT16": "int16"}
_TYPES |= {"INT8": "int8", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "BOOL": "bool"}

Answer = Mapping[str, "NDArray[Any]"]
"""Name of an output -> the item that was answered, its first axis of length 1."""


@dataclass
class Leg:
    """A stage on the way. after: legs (indexes) whose output it takes · items: inputs to send where no output fits, the
    first axis counts them · fed: leg before -> name of the input that its output became"""

    address: str
    endpoint: str
    model: str
    per: int
    after: tuple[int, ...]
    items: Mapping[str, NDArray[Any]]
    fed: dict[int, str] = field(default_factory=dict)
    free: SimpleQueue[http.client.HTTPConnection] = field(default_factory=SimpleQueue)

    def ask(self, given: Mapping[str, NDArray[Any]]) -> Answer:
        """Send one item and return what was answered. Raises OSError, HTTPException or ValueError."""
        head, body = _request(given)
        try:
            connection = self.free.get_nowait()
        except Empty:
            connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=_TIMEOUT_S)
        headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
        connection.request("POST", f"/v2/models/{self.model}/infer", head + body, {**headers, TRIAL_HEADER: "1"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise ValueError(f"{self.address} answers {answer.status}: {content[:200].decode(errors='replace')}")
        self.free.put(connection)
        return _tensors(content, int(answer.headers.get("Inference-Header-Content-Length", len(content))))

    def inputs(self, number: int, item: int, before: Sequence[Sequence[Answer]]) -> dict[str, NDArray[Any]]:
        """Return what to send as one of the items of a request: outputs of the legs before it where they fit."""
        count = len(next(iter(self.items.values())))
        given = {name: values[[(number * self.per + item) % count]] for name, values in self.items.items()}
        for leg, answers in zip(self.after, before, strict=True):
            answer = answers[item * len(answers) // self.per]
            for name, own in given.items():
                fitting = [value for value in answer.values() if (value.dtype, value.shape) == (own.dtype, own.shape)]
                if fitting and self.fed.get(leg, name) == name:
                    self.fed[leg] = name
                    given[name] = fitting[0]
                    break
        return given


class Passed(NamedTuple):
    """trace: one entry per request · generated: addresses of stages that were not sent what stands before them"""

    trace: Trace
    generated: tuple[str, ...]


def pass_through(legs: Sequence[Leg], at_s: NDArray[np.float64]) -> Passed:
    """Send requests through legs, each behind those that it takes from, at these times, whatever the answers do.

    The items of a stage go one after the other, and branches beside each other, as plans assume.
    """
    import numpy as np

    latency = np.full(len(at_s), np.inf)
    errors: Counter[str] = Counter()
    start = time.perf_counter() + 0.05

    def one(number: int) -> None:
        try:
            _through(legs, number)
        except (OSError, http.client.HTTPException, ValueError) as error:
            errors[str(error) or type(error).__name__] += 1
        else:
            latency[number] = time.perf_counter() - start - at_s[number]

    threads = []
    for number, at in enumerate(at_s.tolist()):
        time.sleep(max(0.0, start + at - time.perf_counter()))
        threads.append(threading.Thread(target=one, args=(number,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for leg in legs:
        while not leg.free.empty():
            leg.free.get().close()
    unknown = np.full(len(at_s), np.nan)
    trace = Trace(latency, unknown, unknown, {}, dict(errors))
    return Passed(trace, tuple(leg.address for leg in legs if len(leg.fed) < len(leg.after)))


def _through(legs: Sequence[Leg], number: int) -> None:
    """Send one request through all legs; of those that wait for nothing more, each in a thread of its own."""
    done: dict[int, list[Answer]] = {}
    failed: list[Exception] = []

    def pass_leg(place: int) -> None:
        leg = legs[place]
        try:
            done[place] = [leg.ask(leg.inputs(number, i, [done[k] for k in leg.after])) for i in range(leg.per)]
        except (OSError, http.client.HTTPException, ValueError) as error:
            failed.append(error)

    waiting, running = dict(enumerate(legs)), dict[int, threading.Thread]()
    while (waiting or running) and not failed:
        ready = [place for place, leg in waiting.items() if all(k in done for k in leg.after)]
        for place in ready:
            del waiting[place]
        if len(ready) == 1 and not running:
            pass_leg(ready[0])
            continue
        for place in ready:
            running[place] = threading.Thread(target=pass_leg, args=(place,), daemon=True)
            running[place].start()
        while running and all(thread.is_alive() for thread in running.values()):
            next(iter(running.values())).join(0.0002)
        running = {place: thread for place, thread in running.items() if thread.is_alive()}
    if failed:
        raise failed[0]


def _request(given: Mapping[str, NDArray[Any]]) -> tuple[bytes, bytes]:
    names = {numpy: name for name, numpy in _TYPES.items()}
    bodies = {name: value.tobytes() for name, value in given.items()}
    inputs = [
        {
            "name": name,
            "datatype": names[str(value.dtype)],
            "shape": list(value.shape),
            "parameters": {"binary_data_size": len(bodies[name])},
        }
        for name, value in given.items()
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return head, b"".join(bodies.values())


def _tensors(content: bytes, size: int) -> Answer:
    import numpy as np

    found, at = {}, size
    for tensor in json.loads(content[:size])["outputs"]:
        length = tensor.get("parameters", {}).get("binary_data_size", 0)
        dtype = _TYPES.get(tensor["datatype"])
        if dtype and length:
            found[tensor["name"]] = np.frombuffer(content, dtype, length // np.dtype(dtype).itemsize, at).reshape(
                tensor["shape"]
            )
        at += length
    return found
