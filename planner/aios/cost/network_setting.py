"""Which calibration of networks speaks for a candidate, and as measured under which software and in which precision."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.level import level_of
from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType
from aios.records.model import VALUE_BYTES
from aios.records.observation import Level, Observations

if TYPE_CHECKING:
    from aios.records.observation import Texts

__all__ = ["METRICS", "PREDICTOR_NAME", "Setting", "as_asked", "measured_in", "setting_of"]

PREDICTOR_NAME = "network"

METRICS = ("latency.mean", "latency.p50", "throughput")
"""What calibrations of networks are asked for, the most direct one first."""

_UNCOMPILED = ("eager",)
"""How tables begin the name of software that starts operators one by one from Python."""

_FEWEST_KNOWN = 5
"""Rows of a device under software that nobody states from which on they may speak for any: as many as make it known."""


_ALIKE = ("cpu", "gpu")
"""Kinds of devices that are programmed alike, whoever made them."""


class Setting(NamedTuple):
    """What a prediction is asked for. metric: of the calibration · software, precision, layout: words of its tables ·
    rows: of the device in this setting that it was learnt from"""

    metric: str
    level: Level
    software: str
    precision: str
    layout: str
    rows: int

    @property
    def is_known(self) -> bool:
        """Whether it was measured on the device."""
        return self.level != "zero-shot"


def setting_of(
    calibrations: Mapping[tuple[str, str], Calibration],
    device: DeviceType,
    executor: str,
    precision: str,
    model: str = "",
) -> Setting | None:
    """Return the setting that is nearest to what a candidate does; None where no calibration is of use.

    A calibration that the network itself was measured for on the device goes before others, above all its throughput:
    that tells when a device is free again, also where it works on several calls at once. Then one that knows the
    device, then the one with the nearest software: of the executor, or what was measured under one that nobody states,
    else any that compiles graphs as services do; its precision, else the nearest to it; what was measured most often.
    Of a processor that nobody measured only the executor's own software tells more than its roofline: what starting an
    operator costs there is the engine's doing (of 32 kinds of calls of 8 networks under onnxruntime on a two-core EPYC
    the roofline was off by a factor of 1.8 in the median, what was learnt of other processors under torch.compile by
    3.5). Any other goes by its roofline too, where nothing that was learnt of its kind speaks for it.

    model: as tables name the network; empty where none of its own rows matter
    """
    from aios.cost.network_predictor import PREDICTOR

    found = []
    for place, metric in enumerate(METRICS):
        learnt = calibrations.get((PREDICTOR_NAME, metric))
        if learnt is None or learnt.version != PREDICTOR.version:
            continue
        settings = _settings(learnt, metric, device)
        if (device.name, model) in measured_in(learnt):
            settings = [item._replace(level="profiled", rows=item.rows * item.is_known) for item in settings]
        elif device.kind == "cpu":
            settings = [item for item in settings if item.is_known or executor in item.software.casefold()]
        elif learnt.makers:
            settings = [item for item in settings if item.is_known or item.software]
        found += [(_nearness(item, executor, precision), -place, item) for item in settings]
    if not found:
        return None
    chosen = max(found)[2]
    return chosen._replace(precision=chosen.precision or precision, rows=chosen.rows * chosen.is_known)


def measured_in(learnt: Calibration) -> frozenset[tuple[str, ...]]:
    """Return the devices with the networks that a calibration was taught of on them, as pairs."""
    stages = (stage for stage in learnt.stages if stage.keys == ("device", "model"))
    return frozenset(effect.group for stage in stages for effect in stage.effects)


def as_asked(
    rows: Observations, calibrations: Mapping[tuple[str, str], Calibration], device: DeviceType, unstated: bool
) -> Observations:
    """Return rows of a device as plans would ask for them: networks by the names of their cards, under the software and
    in the layout that what is known was measured with. unstated: these only where nobody states the software, and the
    device is known"""
    import numpy as np

    software, layout = rows.word("software").astype(object), rows.word("layout").astype(object)
    asked = (rows.word("mode") != "training") & ((software == "") | (not unstated))
    for precision in np.unique(rows.word("precision")[asked]).tolist():
        setting = setting_of(calibrations, device, "", precision)
        if setting is not None and (setting.level == "calibrated" or not unstated):
            its = asked & (rows.word("precision") == precision)
            software[its], layout[its] = setting.software, setting.layout
    words = {"model": _card_names(rows.word("model")), "software": software.astype(str), "layout": layout.astype(str)}
    return replace(rows, words={**rows.words, **words})


def _card_names(models: Texts) -> Texts:
    """Return what plans call networks that tables may spell otherwise; those that no card bears the name of stay."""
    import numpy as np

    from aios.catalogue import network_cards

    written, places = np.unique(models.astype(str), return_inverse=True)
    cards = [network_cards().named(str(name)) for name in written]
    names = [str(name) if card is None else card.name for name, card in zip(written, cards, strict=True)]
    return np.array(names, dtype=str)[places]


def _settings(learnt: Calibration, metric: str, device: DeviceType) -> list[Setting]:
    """Return in what a device was measured, else what devices of its kind were."""
    found = list(_of_device(learnt, metric, device.name)) if level_of(learnt, device.name) == "calibrated" else []
    return found or list(_of_kind(learnt, metric, device)) or [Setting(metric, "zero-shot", "", "", "", 0)]


def _nearness(setting: Setting, executor: str, precision: str) -> tuple[object, ...]:
    words = setting.software.casefold()
    unstated = not words and setting.rows >= _FEWEST_KNOWN
    return (
        setting.level == "profiled",
        setting.level == "profiled" and setting.metric == "throughput",
        setting.is_known,
        executor in words or unstated,
        (bool(words) and not words.startswith(_UNCOMPILED)) or unstated,
        _likeness(setting.precision, precision),
        setting.rows,
    )


def _likeness(measured: str, precision: str) -> tuple[bool, bool, bool, float]:
    """Return how alike two precisions are, more of it first: the same, one that nobody stated, then both of floating
    point or both of integers, the nearer in size the better."""
    sizes = (VALUE_BYTES.get(measured, 0.0), VALUE_BYTES.get(precision, 0.0))
    apart = abs(math.log2(sizes[0] / sizes[1])) if all(sizes) else math.inf
    return (measured == precision, not measured, _is_integer(measured) == _is_integer(precision), -apart)


def _is_integer(precision: str) -> bool:
    return precision.startswith(("int", "uint"))


def _of_device(learnt: Calibration, metric: str, device: str) -> Iterator[Setting]:
    """Yield the settings in which a device was measured."""
    counts: dict[str, int] = {}
    for stage in learnt.stages:
        if stage.keys == ("device", "setting"):
            for effect in stage.effects:
                if effect.group[0] == device:
                    counts[effect.group[1]] = counts.get(effect.group[1], 0) + effect.rows
    for text, rows in counts.items():
        software, precision, layout, mode = (*text.split("|"), "", "", "")[:4]
        if mode in ("", "inference"):
            yield Setting(metric, "calibrated", software, precision, layout, rows)


def _of_kind(learnt: Calibration, metric: str, device: DeviceType) -> Iterator[Setting]:
    """Yield the software that devices of a kind were measured under."""
    for stage in learnt.mixes:
        for effect in stage.effects if stage.keys == ("class",) else ():
            kind, software, _, mode = (*effect.group[0].split("|"), "", "", "")[:4]
            if kind == device.kind and mode == "inference" and _speaks_for(learnt, software, device):
                yield Setting(metric, "zero-shot", software, "", "", effect.rows)


def _speaks_for(learnt: Calibration, software: str, device: DeviceType) -> bool:
    """Say whether what was learnt of devices under some software tells of one that nobody measured.

    It does if its maker made one of those. Else if the software is not some maker's own, having run on devices of
    several: on any kind, as processors are programmed alike whoever made them, and graphics processors are; on this
    very kind if it is another, as each maker's is a machine of its own.
    """
    if not learnt.makers:
        return True
    ran = [(group.split("|")[:2], makers) for group, makers in learnt.makers.items()]
    here = {maker for words, makers in ran if words == [device.kind, software] for maker in makers}
    anywhere = {maker for words, makers in ran if words[1:] == [software] for maker in makers}
    return device.vendor in here or len(anywhere if device.kind in _ALIKE else here) > 1
