"""A service's counts over its life: what must happen every minute, and how they are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aios_plugins.onnxruntime.arrivals import watch_arrivals
from aios_plugins.onnxruntime.processes import Processes
from aios_plugins.onnxruntime.tally import Tally, until_next_minute

if TYPE_CHECKING:
    from aios_plugins.onnxruntime.pool import Pool

__all__ = ["Counting"]


class Counting:
    """Keeps the tally of a service. ``begin`` in the event loop, when the service is ready; ``end`` before it ends."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._processes = Processes()
        self._minutes: asyncio.TimerHandle | None = None
        self._unwatch: Callable[[], None] | None = None

    def begin(self) -> None:
        """Begin to count what depends on time."""
        try:
            self._unwatch = watch_arrivals(self.tally.delayed)
        except OSError as error:
            print(f"delays of arrivals are not counted: {error}", flush=True)  # noqa: T201 - stdout is the service's log
        self._minutes = asyncio.get_running_loop().call_later(until_next_minute(), self._each_minute)

    def end(self) -> None:
        """Stop what ``begin`` began."""
        if self._minutes is not None:
            self._minutes.cancel()
        if self._unwatch is not None:
            self._unwatch()

    def _each_minute(self) -> None:
        """Close the minute's counts, when the clock on the wall turns to the next one."""
        self.tally.close_minute()
        self._processes.energy_j()
        self._minutes = asyncio.get_running_loop().call_later(until_next_minute(), self._each_minute)

    def exposition(self, pool: Pool, version: str, accept: bytes) -> tuple[bytes, bytes]:
        """Return the metrics as text, and its content type. accept: header of the request"""
        from aios_plugins.onnxruntime.exposition import Shown, exposition

        shown = Shown(
            tally=self.tally,
            model=pool.spec.model,
            version=version,
            deployment=pool.spec.deployment,
            replicas=pool.spec.replicas,
            ready=pool.ready - pool.stuck,
            cpu_s=self._processes.cpu_seconds(pool.pids),
            resident_bytes=self._processes.resident_bytes(pool.pids),
            started_s=self._processes.started_s,
            energy_j=self._processes.energy_j(),
            why_no_energy=self._processes.why_no_energy,
        )
        text, kind = exposition(shown, accept.decode("latin-1"))
        return text, kind.encode()
