"""Time of one call of a fixed network from what was learnt of devices, for what nobody measured here.

A calibration knows a device under the software and in the precisions that it was measured in, a processor with any
number of threads. A network that was measured on the device itself it knows better. A power mode, another memory or
precision are taken from there by the ratio of rooflines. Of a device that nobody measured it knows what holds for all
of its kind, if the network's operators are counted (zero-shot). No time is shorter than what the device's peak at the
candidate's own precision allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from aios.cost.interval import Interval, Unknown
from aios.cost.network_setting import METRICS, PREDICTOR_NAME, Setting, measured_in, setting_of
from aios.cost.networks.bounds import least_s
from aios.cost.ordering import halved, narrower, wider
from aios.cost.roofline import roofline
from aios.cost.tiers import TierRate
from aios.records.base import Source
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.model import MemoryPart, ModelProfile
from aios.records.observation import Observations

__all__ = ["LearntTime", "NetworkRow", "NetworkTimes", "observations_of"]

_OTHER_PRECISION = 1.5
"""Factor either way by which a ratio of rooflines may be off between two precisions."""


class LearntTime(NamedTuple):
    """Seconds of one call. own: whether the device was measured in this very precision"""

    time: Interval
    source: Source
    basis: str
    own: bool


class NetworkRow(NamedTuple):
    """One prediction. items: of a call · threads: of a processor, 0 of anything else"""

    profile: ModelProfile
    device: DeviceType
    setting: Setting
    items: int
    threads: int = 0

    @property
    def key(self) -> _Key:
        """What tells predictions apart."""
        return (self.profile.name, self.device.name, self.setting, self.items, self.threads)


_Key: TypeAlias = tuple[str, str, Setting, int, int]


class NetworkTimes:
    """Times of the calls of some candidates; all of them are worked out together when the first one is asked for."""

    def __init__(
        self,
        candidates: Iterable[Candidate],
        profiles: Mapping[str, ModelProfile],
        types: Mapping[str, DeviceType],
        calibrations: Mapping[tuple[str, str], Calibration],
    ) -> None:
        """``candidates``: that may be asked for, in batches of their size or one; others come one by one"""
        self._candidates = candidates
        self._profiles, self._types, self._calibrations = profiles, types, calibrations
        self._settings: dict[tuple[str, ...], Setting | None] = {}
        self._measured: frozenset[tuple[str, ...]] | None = None
        self._found: dict[_Key, Interval | None] | None = None

    def of(
        self,
        candidate: Candidate,
        profile: ModelProfile,
        device: DeviceType,
        batch: int,
        tiers: Mapping[MemoryPart, TierRate],
    ) -> LearntTime | None:
        """Return what a call of ``batch`` items takes; None where nothing was learnt of the device, and either nothing
        of others or the network's operators are not counted. tiers: as of ``roofline``"""
        row = self.row_of(candidate, profile, device, batch)
        if row is None:
            return None
        if self._found is None:
            self._found = self._all()
        if row.key not in self._found:
            self._found.update(self._predicted([row]))
        found, setting = self._found[row.key], row.setting
        ratio = _ratio(profile, device, candidate, batch, tiers, setting.precision)
        if found is None or ratio is None:
            return None
        low, value, high = found.times(ratio)
        if setting.precision != candidate.precision:
            low, high = low / _OTHER_PRECISION, high * _OTHER_PRECISION
        least = least_s(profile, device, candidate.precision, row.threads, row.items)
        own = self.knows(candidate, profile, device)
        return LearntTime(Interval(*map(max, (low, value, high), least)), *_told(setting), own)

    def knows(self, candidate: Candidate, profile: ModelProfile, device: DeviceType) -> bool:
        """Say whether the device was measured in the candidate's precision."""
        setting = self._setting(candidate, profile, device)
        return setting is not None and setting.is_known and setting.precision == candidate.precision

    def row_of(self, candidate: Candidate, profile: ModelProfile, device: DeviceType, batch: int) -> NetworkRow | None:
        """Return what is asked for a call of ``batch`` items; None as of ``of``."""
        setting = self._setting(candidate, profile, device)
        if setting is None or (setting.level == "zero-shot" and not profile.work):
            return None
        threads = candidate.threads if device.kind == "cpu" else 0
        if threads and not device.cores:
            return None  # what share of it they are is not known
        return NetworkRow(profile, device, setting, max(batch, profile.fixed_batch or 1), threads)

    def _setting(self, candidate: Candidate, profile: ModelProfile, device: DeviceType) -> Setting | None:
        if self._measured is None:
            found = (self._calibrations.get((PREDICTOR_NAME, metric)) for metric in METRICS)
            self._measured = frozenset().union(*(measured_in(learnt) for learnt in found if learnt is not None))
        model = profile.name if (device.name, profile.name) in self._measured else ""
        key = (device.name, candidate.executor, candidate.precision, model)
        if key not in self._settings:
            self._settings[key] = setting_of(self._calibrations, device, *key[1:])
        return self._settings[key]

    def _all(self) -> dict[_Key, Interval | None]:
        rows: dict[_Key, NetworkRow] = {}
        for candidate in self._different():
            profile, device = self._profiles[candidate.model], self._types[candidate.device]
            known = (item for item in narrower(profile, device, candidate) if self.knows(item, profile, device))
            others = (*wider(profile, device, candidate), *known)
            for item in (candidate, *others):
                for batch in halved(candidate.batch):
                    row = self.row_of(item, profile, device, batch)
                    if row is not None:
                        rows.setdefault(row.key, row)
        return self._predicted(list(rows.values()))

    def _different(self) -> Iterable[Candidate]:
        """Return one of all candidates that ask for the same predictions."""
        found: dict[tuple[object, ...], Candidate] = {}
        for item in self._candidates:
            static = item.quantization != "dynamic"
            key = (item.model, item.device, item.executor, item.precision, static, item.threads, item.batch)
            found.setdefault(key, item)
        return found.values()

    def _predicted(self, rows: list[NetworkRow]) -> dict[_Key, Interval | None]:
        """Return the time of each row, in one go for each calibration and level."""
        import numpy as np

        from aios.cost.learning import predict
        from aios.cost.network_predictor import PREDICTOR

        found: dict[_Key, Interval | None] = {}
        kinds = {(row.setting.metric, row.setting.level) for row in rows}
        for metric, level in sorted(kinds):
            own = [row for row in rows if (row.setting.metric, row.setting.level) == (metric, level)]
            asked = observations_of(own, metric)
            design = PREDICTOR.design(asked, {row.device.name: row.device for row in own})
            targets = predict(design, self._calibrations[PREDICTOR.name, metric], level)
            ends = [PREDICTOR.value(asked, target) for target in (targets.low, targets.value, targets.high)]
            if metric == "throughput":
                ends = [asked.number("batch") / rate for rate in ends]
            known = (design.unknown == "") & np.isfinite(ends).all(axis=0)
            for row, times, sound in zip(own, np.sort(ends, axis=0).T.tolist(), known.tolist(), strict=True):
                found[row.key] = Interval(*times) if sound else None
        return found


def _told(setting: Setting) -> tuple[Source, str]:
    """Return the source of a time, and how it came about."""
    where = f" under {setting.software}" if setting.software else ""
    if setting.is_known:
        seen = f"{setting.rows} rows of this device" if setting.rows else "this device"
        seen += ", this network among them" if setting.level == "profiled" else ""
        return "calibrated", f"{setting.metric} learnt from {seen}{where} (calibrated)"
    return "analytic", f"{setting.metric} learnt from other devices of this kind{where} (zero-shot)"


def _ratio(
    profile: ModelProfile,
    device: DeviceType,
    candidate: Candidate,
    batch: int,
    tiers: Mapping[MemoryPart, TierRate],
    precision: str,
) -> float | None:
    """Return the roofline of a candidate relative to that in a precision that was measured, in full mode and out of the
    device's own memory; None if one is unknown. Where they are the same, 1 without asking."""
    plain = candidate.model_copy(
        update={
            "precision": precision,
            "quantization": "static" if precision == "int8" != profile.precision else "none",
            "power_mode": None,
            "tiers": {},
        }
    )
    if candidate == plain:
        return 1.0
    mine, its = roofline(profile, device, candidate, batch, tiers), roofline(profile, device, plain, batch)
    if isinstance(mine, Unknown) or isinstance(its, Unknown) or its.value <= 0:
        return None
    return mine.value / its.value


def observations_of(rows: list[NetworkRow], metric: str) -> Observations:
    """Return calls as the rows that predictors know."""
    import numpy as np

    columns = {
        "model": [row.profile.name for row in rows],
        "device": [row.device.name for row in rows],
        "mode": ["inference"] * len(rows),
        "precision": [row.setting.precision for row in rows],
        "software": [row.setting.software for row in rows],
        "layout": [row.setting.layout for row in rows],
    }
    numbers = {
        "macs": [row.profile.macs or np.nan for row in rows],
        "parameters": [row.profile.parameters or np.nan for row in rows],
        "image_size": [_side(row.profile) for row in rows],
        "batch": [float(row.items) for row in rows],
        "devices": [1.0] * len(rows),
        "threads": [float(row.threads or np.nan) for row in rows],
    }
    for name in sorted({name for row in rows for name in row.profile.work}):
        numbers[name] = [row.profile.work.get(name, 0.0) if row.profile.work else np.nan for row in rows]
    return Observations(
        table="",
        predictor=PREDICTOR_NAME,
        metric=metric,
        unit="s",
        words={role: np.array(column) for role, column in columns.items()},
        numbers={role: np.array(column, dtype=np.float64) for role, column in numbers.items()},
        types=np.array(columns["device"]),
        families=np.full(len(rows), ""),
        lines=np.zeros(len(rows), dtype=np.int64),
        values=np.full(len(rows), np.nan),
    )


def _side(profile: ModelProfile) -> float:
    """Return the side of the square that has as many pixels as an image that it takes in; NaN where it takes none."""
    images = [spec.shape[-2:] for spec in profile.inputs[:1] if len(spec.shape) == 4]
    sizes = [size for shape in images for size in shape if isinstance(size, int)]
    return float((sizes[0] * sizes[1]) ** 0.5) if len(sizes) == 2 else float("nan")
