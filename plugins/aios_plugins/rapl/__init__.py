"""The meter that reads the processors' own energy counters (RAPL), as Linux shows them under /sys/class/powercap.

Services read them too, and start sooner without the records: those are imported where they are made.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from aios.records.fleet import DeviceType
    from aios.spi.checkup import Finding
    from aios.spi.executor import Refusal
    from aios.spi.meter import Reading, Window

__all__ = ["Meter", "Obstacle", "Packages"]

# The counter wraps after 65 to 262 kJ: more than two minutes at 500 W. It is read four times as often as that.
_POLL_SECONDS = 30.0


class Obstacle(NamedTuple):
    """Why there is nothing to read; see ``aios.spi.executor.Refusal``."""

    clause: str
    reason: str
    resolvable: str | None = None


class Meter:
    """Measures whole processor packages: everything that runs on them is in the figure, not the processes alone."""

    name: ClassVar[str] = "rapl"
    api_version: ClassVar[int] = 1
    preference: ClassVar[int] = 10

    def __init__(self, root: Path = Path("/"), poll_seconds: float = _POLL_SECONDS) -> None:
        """``root`` stands before /sys; ``poll_seconds``: how often counters are read so that none wraps twice."""
        self._root = root
        self._poll_seconds = poll_seconds

    def can(self, device: DeviceType) -> Refusal | None:
        """Refuse devices that are no cpu, and machines whose counters are absent (virtual machines) or not ours."""
        from aios.spi.executor import Refusal

        if device.kind != "cpu":
            return Refusal(clause="rapl measures processors", reason=f"{device.name} is a {device.kind}")
        found = Packages.obstacle(self._root)
        return None if found is None else Refusal(**found._asdict())

    def examine(self) -> list[Finding]:
        """Return whether the counters are there, and readable for this user."""
        from aios.spi.checkup import Finding

        counters = _counters(self._root)
        if not counters:
            seen = "no package energy counters (virtual machines rarely have them): power is not measured, but derived"
            return [Finding(check="meter.rapl", status="skipped", seen=seen)]
        closed = []
        for counter in counters:
            try:
                counter.read()
            except (OSError, ValueError):
                closed.append(str(counter.path))
        if not closed:
            seen = f"{len(counters)} package energy counter{'s' if len(counters) > 1 else ''}"
            return [Finding(check="meter.rapl", status="ok", seen=seen)]
        return [
            Finding(
                check="meter.rapl",
                status="warn",
                seen=f"this user may not read {', '.join(closed)}: power is derived, not measured",
                remedy="make them readable until the machine starts again; a udev rule does for good "
                "(whoever reads them can guess at secrets that others compute with: CVE-2020-8694)",
                command=f"sudo chmod a+r {' '.join(closed)}",
            )
        ]

    def begin(self, device: DeviceType, pids: Sequence[int]) -> Window:  # noqa: ARG002 - packages know no processes
        """Start counting the energy of all packages."""
        return _Window(Packages(self._root), self._poll_seconds)


class _Counter:
    """One package's counter in microjoules, which starts again from zero after its range."""

    def __init__(self, path: Path, range_path: Path) -> None:
        self.path = path
        self._range_path = range_path

    def read(self) -> int:
        return int(self.path.read_text(encoding="ascii"))

    def range(self) -> int:
        return int(self._range_path.read_text(encoding="ascii"))


class Packages:
    """Joules that all processor packages draw from now on. failed: a counter could not be read, nothing is known"""

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /sys."""
        self.joules = 0.0
        self._counters = _counters(root)
        self.failed = not self._counters
        self._last: list[int] = []
        self._ranges: list[int] = []
        try:
            self._ranges = [counter.range() for counter in self._counters]
            self._last = [counter.read() for counter in self._counters]
        except (OSError, ValueError):
            self.failed = True

    @staticmethod
    def obstacle(root: Path = Path("/")) -> Obstacle | None:
        """Say why there is nothing to read: counters are absent (virtual machines) or not ours."""
        counters = _counters(root)
        if not counters:
            return Obstacle(
                clause="rapl needs package energy counters",
                reason=f"there are none under {root / 'sys/class/powercap'} (virtual machines rarely have them)",
                resolvable="run on the bare machine with the kernel module intel_rapl_common",
            )
        for counter in counters:
            try:
                counter.read()
            except (OSError, ValueError) as error:
                denied = isinstance(error, PermissionError)
                return Obstacle(
                    clause="rapl needs readable energy counters",
                    reason=f"{counter.path} cannot be read: {'permission denied' if denied else error}",
                    resolvable=f"sudo chmod a+r {counter.path}" if denied else None,
                )
        return None

    def __len__(self) -> int:
        return len(self._counters)

    def add(self) -> None:
        """Take in what was drawn since this was last called; to be called before a counter wraps twice."""
        if self.failed:
            return
        try:
            now = [counter.read() for counter in self._counters]
        except (OSError, ValueError):
            self.failed = True
            return
        for before, after, span in zip(self._last, now, self._ranges, strict=True):
            self.joules += (after - before if after >= before else after + span - before) * 1e-6
        self._last = now


class _Window:
    def __init__(self, packages: Packages, poll_seconds: float) -> None:
        self._packages = packages
        self._start = time.perf_counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, args=(poll_seconds,), daemon=True)
        self._thread.start()

    def end(self) -> Reading:
        from aios.spi.meter import Reading

        self._stop.set()
        self._thread.join()
        self._packages.add()
        return Reading(
            energy_j=None if self._packages.failed else self._packages.joules,
            seconds=time.perf_counter() - self._start,
            meter=f"RAPL package counters of {len(self._packages)} processor(s), everything that ran on them",
            scope="package",
            derived=False,
        )

    def _poll(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self._packages.add()


def _counters(root: Path) -> list[_Counter]:
    folder = root / "sys/class/powercap"
    zones = sorted(folder.glob("intel-rapl:*")) if folder.is_dir() else []
    packages = [zone for zone in zones if re.fullmatch(r"intel-rapl:\d+", zone.name) and _is_package(zone)]
    return [_Counter(zone / "energy_uj", zone / "max_energy_range_uj") for zone in packages]


def _is_package(zone: Path) -> bool:
    try:
        return (zone / "name").read_text(encoding="utf-8").strip().startswith("package")
    except OSError:
        return False
