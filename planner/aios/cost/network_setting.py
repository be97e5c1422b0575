"""Which calibration of networks speaks for a candidate, and as measured under which software and in which precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aios.cost.level import level_of
from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType
from aios.records.observation import Level

__all__ = ["METRICS", "PREDICTOR_NAME", "Setting", "setting_of"]

PREDICTOR_NAME = "network"

METRICS = ("latency.mean", "latency.p50", "throughput")
"""What calibrations of networks are asked for, the most direct one first."""

_UNCOMPILED = ("eager",)
"""How tables begin the name of software that starts operators one by one from Python."""

_FEWEST_KNOWN = 5
"""Rows of a device under software that nobody states from which on they may speak for any: as many as make it known."""


class Setting(NamedTuple):
    """What a prediction is asked for. metric: of the calibration · software, precision, layout: words of its tables ·
    rows: of the device in this setting that it was learnt from"""

    metric: str
    level: Level
    software: str
    precision: str
    layout: str
    rows: int


def setting_of(
    calibrations: Mapping[tuple[str, str], Calibration], device: DeviceType, executor: str, precision: str
) -> Setting | None:
    """Return the setting that is nearest to what a candidate does; None where no calibration is of use.

    A calibration that knows the device goes before others, then the one with the nearest software: of the executor,
    or what was measured under one that nobody states, else any that compiles graphs as services do; its precision;
    what was measured most often. Of a processor that nobody measured only the executor's own software tells more than
    its roofline: what starting an operator costs there is the engine's doing (of 32 kinds of calls of 8 networks under
    onnxruntime on a two-core EPYC the roofline was off by a factor of 1.8 in the median, what was learnt of other
    processors under torch.compile by 3.5).
    """
    from aios.cost.network_predictor import PREDICTOR

    found = []
    for place, metric in enumerate(METRICS):
        learnt = calibrations.get((PREDICTOR_NAME, metric))
        if learnt is None or learnt.version != PREDICTOR.version:
            continue
        level = level_of(learnt, device.name)
        known = _of_device(learnt, metric, device.name) if level == "calibrated" else _of_kind(learnt, metric, device)
        settings = [*known] or [Setting(metric, level, "", "", "", 0)]
        if level == "zero-shot" and device.kind == "cpu":
            settings = [item for item in settings if executor in item.software.casefold()]
        found += [(_nearness(item, executor, precision), -place, item) for item in settings]
    if not found:
        return None
    chosen = max(found)[2]
    return chosen._replace(precision=chosen.precision or precision, rows=chosen.rows * (chosen.level == "calibrated"))


def _nearness(setting: Setting, executor: str, precision: str) -> tuple[bool, ...] | tuple[object, ...]:
    words = setting.software.casefold()
    unstated = not words and setting.rows >= _FEWEST_KNOWN
    return (
        setting.level == "calibrated",
        executor in words or unstated,
        (bool(words) and not words.startswith(_UNCOMPILED)) or unstated,
        setting.precision == precision,
        setting.rows,
    )


def _of_device(learnt: Calibration, metric: str, device: str) -> Iterator[Setting]:
    """Yield the settings in which a device was measured."""
    counts: dict[str, int] = {}
    for stage in learnt.stages:
        if stage.keys == ("device", "setting"):
            for effect in stage.effects:
                if effect.group[0] == device:
                    counts[effect.group[1]] = max(counts.get(effect.group[1], 0), effect.rows)
    for text, rows in counts.items():
        software, precision, layout, mode = (*text.split("|"), "", "", "")[:4]
        if mode in ("", "inference"):
            yield Setting(metric, "calibrated", software, precision, layout, rows)


def _of_kind(learnt: Calibration, metric: str, device: DeviceType) -> Iterator[Setting]:
    """Yield the software that devices of a kind were measured under."""
    for stage in learnt.mixes:
        for effect in stage.effects if stage.keys == ("class",) else ():
            kind, software, _, mode = (*effect.group[0].split("|"), "", "", "")[:4]
            if kind == device.kind and mode == "inference":
                yield Setting(metric, "zero-shot", software, "", "", effect.rows)
