"""One deployment's replicas and the queue in front of them.

Requests wait in one queue, first come first served. A free replica takes what waits, up to the batch size, at once: it
never waits for a batch to fill, so batching costs no latency when there is no queue and gives throughput when there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aios_plugins.onnxruntime.replica import Replica, ReplicaError
from aios_plugins.onnxruntime.spec import Spec
from aios_plugins.onnxruntime.tally import Tally
from aios_plugins.onnxruntime.tensors import ITEM_BYTES, Port, ports_from

__all__ = ["Answer", "Call", "Pool", "Refused"]

_QUEUE_CALLS = 1024
_QUEUE_BYTES = 256 << 20
"""What may wait. More would only be answered long after its sender gave up, and fill the memory meanwhile."""

_LOOK_NS = 100_000
"""How long, while requests come in, replicas may have answered without being given more."""

_STUCK_S = 30.0
"""How long a replica may compute one batch and still count as one that answers."""

_TRIES = 2
"""How often a call is given to a replica: one that dies twice in a row most likely dies of the call."""

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_GIVE_UP_AFTER = 3
"""A replica that dies at once is started again after pauses that double; after so many, callers are refused."""


class Refused(Exception):
    """A call that gets no answer. status: of HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What a call gets: content and shape of each output; time in the queue and in the model, microseconds."""

    outputs: list[tuple[bytes, tuple[int, ...]]]
    queue_us: int
    compute_us: int


class Call:
    """One request on its way.

    inputs: content of each input in the model's order · items: length of the first axis · size: bytes of all inputs ·
    done: answered, or nobody waits for the answer any more
    """

    __slots__ = ("_reply", "alone", "arrived_ns", "done", "inputs", "items", "shapes", "size", "tries")

    def __init__(
        self,
        inputs: list[bytes | memoryview],
        shapes: list[list[int]],
        items: int,
        reply: Callable[[Answer | Refused], None],
    ) -> None:
        self.inputs, self.shapes, self.items = inputs, shapes, items
        self.size = sum(map(len, inputs))
        self.arrived_ns = time.perf_counter_ns()
        self.tries = 0
        self.alone = self.done = False
        self._reply = reply

    def finish(self, outcome: Answer | Refused) -> None:
        """Hand the outcome to who asked, if he still waits."""
        if not self.done:
            reply = self._reply
            self.drop()
            reply(outcome)

    def drop(self) -> None:
        """Nobody waits for the answer any more; what was sent need not be kept."""
        self.done = True
        self.inputs, self._reply = [], _nobody

    def joins(self, other: Call) -> bool:
        """Whether both can be computed as one batch."""
        mine, theirs = ([shape[1:] for shape in call.shapes] for call in (self, other))
        return mine == theirs and not (self.alone or other.alone)


def _nobody(outcome: Answer | Refused) -> None:
    """Take the outcome of a call that nobody waits for."""


class Pool:
    """Replicas of one spec. ``start`` before the first call, ``drain`` after the last."""

    def __init__(self, spec: Spec, tally: Tally, opening: Callable[[], Spec] | None = None) -> None:
        """opening: makes what workers are to load ready and returns what they are told; it may take its time"""
        self.spec = spec
        self._opening = opening
        self._opened: asyncio.Future[Spec] | None = None
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []
        self.batchable = False
        self.replicas: list[Replica] = []
        self._tally = tally
        self._free: list[Replica] = []
        self._waiting: deque[Call] = deque()
        self._waiting_bytes = 0
        self._looked_ns = 0
        self._looking = False
        self._failures = 0
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> int:
        """How many replicas answer."""
        return len(self.replicas)

    @property
    def stuck(self) -> int:
        """How many of those have been at one batch for so long that nobody waits for it any more."""
        return sum(replica.busy_s > _STUCK_S for replica in self.replicas)

    @property
    def pids(self) -> list[int]:
        """Process ids of the replicas."""
        return [replica.pid for replica in self.replicas]

    async def start(self) -> None:
        """Start all replicas; raises ReplicaError, with none left behind, when one does not come up."""
        # Beside the start of the workers, which takes them longer than most models.
        self._opened = asyncio.ensure_future(self._open())
        made = [Replica(self._opened) for _ in range(self.spec.replicas)]
        starts = [asyncio.ensure_future(replica.start()) for replica in made]
        try:
            for description in await asyncio.gather(*starts):
                self._describe(description)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            for replica in made:
                await replica.stop()
            raise
        for replica in made:
            self._welcome(replica)

    async def _open(self) -> Spec:
        if self._opening is None:
            return self.spec
        try:
            return await asyncio.to_thread(self._opening)
        except (OSError, ValueError) as error:
            raise ReplicaError(str(error)) from error

    def _describe(self, description: dict[str, Any]) -> None:
        self.inputs = ports_from(description["inputs"])
        self.outputs = ports_from(description["outputs"])
        self.batchable = description["batchable"]

    def _welcome(self, replica: Replica) -> None:
        self.replicas.append(replica)
        replica.listen(self._answered, self._died)
        self._free.append(replica)

    def call(
        self, inputs: list[bytes | memoryview], shapes: list[list[int]], reply: Callable[[Answer | Refused], None]
    ) -> Call:
        """Queue a request; ``reply``, which must not raise, is called with its outcome. Raises Refused at once."""
        if not self.replicas and (self._failures >= _GIVE_UP_AFTER or self._closing):
            raise Refused(503, "no replica of the model is up")
        items = shapes[0][0] if self.batchable else 1
        call = Call(inputs, shapes, items, reply)
        if len(self._waiting) >= _QUEUE_CALLS or self._waiting_bytes + call.size > _QUEUE_BYTES:
            raise Refused(503, f"overloaded: {len(self._waiting)} requests are waiting already")
        self._waiting.append(call)
        self._waiting_bytes += call.size
        if self._free:
            self._dispatch()
        elif call.arrived_ns - self._looked_ns > _LOOK_NS and not self._looking:
            self._look()
        return call

    def _look(self) -> None:
        """Take what replicas have answered: the event loop reads all clients first, and there may be a thousand."""
        self._looking = True
        for replica in list(self.replicas):
            replica.look()
        self._looking = False
        self._looked_ns = time.perf_counter_ns()

    def _dispatch(self) -> None:
        while self._waiting and self._free:
            batch = self._take()
            if batch:
                self._give(self._free.pop(), batch)

    def _take(self) -> list[Call]:
        """Take the longest waiting call and those behind it that fit its batch."""
        batch: list[Call] = []
        items = 0
        while self._waiting:
            call = self._waiting[0]
            if batch and not (self.batchable and items + call.items <= self.spec.batch and batch[0].joins(call)):
                break
            self._waiting.popleft()
            self._waiting_bytes -= call.size
            # Whoever asked may be gone by now.
            if not call.done:
                batch.append(call)
                items += call.items
        return batch

    def _give(self, replica: Replica, batch: list[Call]) -> None:
        now = time.perf_counter_ns()
        items = sum(call.items for call in batch)
        columns = []
        for index in range(len(self.inputs)):
            shape = batch[0].shapes[index]
            joined = [items, *shape[1:]] if self.batchable else shape
            columns.append((joined, [call.inputs[index] for call in batch]))
        for call in batch:
            call.tries += 1
        try:
            replica.give(batch, now, columns, items, self.spec.batch)
        except ConnectionError as error:
            # Its socket ends in a moment, and then it is replaced.
            self._again(batch, f"a replica could not be reached: {error}")
        except OSError as error:
            self._free.append(replica)
            self._again(batch, f"a replica has no memory for the request: {error}")

    def _answered(self, replica: Replica, reply: dict[str, Any]) -> None:
        batch, given_ns = replica.take_batch()
        answers: list[Answer] = []
        if "error" in reply:
            self._failed(batch, reply)
        else:
            compute_us = reply["compute_ns"] // 1000
            self._tally.computed(len(batch), sum((given_ns - call.arrived_ns) for call in batch) // 1000, compute_us)
            answers = self._share_out(replica, batch, given_ns, reply["outputs"], compute_us)
        # The replica goes on before the answers are written: it need not wait for that.
        self._free.append(replica)
        self._dispatch()
        for call, answer in zip(batch, answers, strict=False):
            call.finish(answer)

    def _share_out(
        self, replica: Replica, batch: list[Call], given_ns: int, places: list[Any], compute_us: int
    ) -> list[Answer]:
        """Return the answer of each call in a batch."""
        answers, first = [], 0
        for call in batch:
            outputs = []
            for port, (offset, shape) in zip(self.outputs, places, strict=True):
                mine = (call.items, *shape[1:]) if len(batch) > 1 else shape
                size = math.prod(mine) * ITEM_BYTES[port.datatype]
                skip = first * (size // call.items)
                outputs.append((replica.arena.read(offset + skip, size), mine))
            first += call.items
            answers.append(Answer(outputs, (given_ns - call.arrived_ns) // 1000, compute_us))
        return answers

    def _failed(self, batch: list[Call], reply: dict[str, Any]) -> None:
        """The model refused. In company it is not known whose fault it was: each is tried again alone."""
        if len(batch) > 1:
            for call in reversed(batch):
                call.alone = True
                self._put_back(call)
        else:
            batch[0].finish(Refused(400 if reply["invalid"] else 500, reply["error"]))

    def _died(self, replica: Replica) -> None:
        if replica in self.replicas:
            self.replicas.remove(replica)
        if replica in self._free:
            self._free.remove(replica)
        batch, _ = replica.take_batch()
        self._again(batch, "the replica that computed it died")
        self._keep(self._replace(replica))

    def _again(self, batch: list[Call], reason: str) -> None:
        for call in reversed(batch):
            if call.tries < _TRIES:
                self._put_back(call)
            else:
                call.finish(Refused(503, reason))
        self._dispatch()

    def _put_back(self, call: Call) -> None:
        self._waiting.appendleft(call)
        self._waiting_bytes += call.size

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, dead: Replica) -> None:
        await dead.stop()
        self._tally.restarts += 1
        print(f"replica {dead.pid} died", flush=True)  # noqa: T201 - stdout is the service's log
        self._failures = self._failures + 1 if dead.lived_s < _LONGEST_PAUSE_S / 5 else 0
        while not self._closing:
            if self._failures:
                await asyncio.sleep(min(_FIRST_PAUSE_S * 2 ** (self._failures - 1), _LONGEST_PAUSE_S))
            assert self._opened is not None
            fresh = Replica(self._opened)
            try:
                self._describe(await fresh.start())
            except asyncio.CancelledError:
                await fresh.stop()
                raise
            except ReplicaError as error:
                await fresh.stop()
                print(f"replica does not start: {error}", flush=True)  # noqa: T201 - stdout is the service's log
                self._failures += 1
                if self._failures >= _GIVE_UP_AFTER and not self.replicas:
                    self._refuse_waiting("no replica of the model is up")
                continue
            self._welcome(fresh)
            self._dispatch()
            return

    def _refuse_waiting(self, reason: str) -> None:
        while self._waiting:
            call = self._waiting.popleft()
            self._waiting_bytes -= call.size
            call.finish(Refused(503, reason))

    async def drain(self, within_s: float) -> None:
        """Answer what waits, for at most ``within_s``, then stop all replicas."""
        until = time.monotonic() + within_s
        while (self._waiting or len(self._free) < len(self.replicas)) and time.monotonic() < until:
            await asyncio.sleep(0.005)
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        leaving, self.replicas, self._free = self.replicas, [], []
        for replica in leaving:
            for call in reversed(replica.take_batch()[0]):
                self._put_back(call)
            await replica.stop()
        self._refuse_waiting("the service is stopping")
