"""Whether plans are made with what was learnt."""

from __future__ import annotations

from pathlib import Path

from aios import catalogue
from aios.fidelity.keeping import standing_on
from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType
from aios.workflow.calibrations import ASKED, Calibrations, load_calibrations
from aios.workflow.setting import silent

__all__ = ["why_unused"]

_METERED = ("regime", "device")
"""Keys that those of effects of metered devices begin with."""


def why_unused(learnt: Calibration, device: DeviceType | None, folder: Path) -> str | None:
    """Return why no plan is made with a calibration that was written to a folder which plans read; None where some are.

    device: that it is of
    """
    asked = ASKED.get(learnt.predictor, ())
    if learnt.metric not in asked:
        instead = f"; of `{learnt.predictor}` they use {', '.join(asked)}" if asked else ""
        return f"no plan asks for {learnt.predictor} {learnt.metric}{instead}"
    known = load_calibrations([catalogue.root() / "calibrations", folder], silent)
    shared = known.shared(learnt.predictor, learnt.metric)
    if shared is not None and not _rests_on(learnt, shared):
        rows = sum(item.rows for item in shared.provenance)
        return f"what is known of all devices was learnt from {rows:,} rows, which are more: leave out `--from-scratch`"
    if device is None or learnt.predictor not in ("network", "power"):
        return None
    return _unmetered(learnt, device) if learnt.predictor == "power" else _outnumbered(learnt, device, known)


def _rests_on(learnt: Calibration, shared: Calibration) -> bool:
    """Say whether a calibration is the shared one, or one that was learnt on top of it."""
    return learnt.provenance == shared.provenance if learnt.device is None else standing_on(shared)(learnt)


def _unmetered(learnt: Calibration, device: DeviceType) -> str | None:
    if device.tdp_w is None:
        return f"no nominal power of {device.name} is stated"
    of_device = [effect.group for stage in learnt.stages if stage.keys[:2] == _METERED for effect in stage.effects]
    alone = [
        work for work, name, *_ in of_device if name == device.name and not {"board", "server"} & {*work.split("|")}
    ]
    return None if alone else "plans use what the device alone draws in inference"


def _outnumbered(learnt: Calibration, device: DeviceType, known: Calibrations) -> str | None:
    """Return which other metric of the device plans rest on, in each precision that this one was learnt in, or for each
    network where it says something of those alone."""
    from aios.cost.network_setting import measured_in, setting_of

    keys = [("network", metric) for metric in ASKED["network"]]
    read = {key: item for key in keys if (item := known.of(*key, devices=[device.name])) is not None}
    own = _settings(learnt)
    pairs = own or set().union(*map(_settings, read.values())) or {("", "")}
    models = sorted(name for _, name in measured_in(learnt)) if not own else [""]
    asked = [(*pair, model) for pair in sorted(pairs) for model in models]
    chosen = [found for item in asked if (found := setting_of(read, device, *item)) is not None]
    if not chosen or any(item.metric == learnt.metric for item in chosen):
        return None
    most = max(chosen, key=lambda item: item.rows)
    under = f" under {most.software}" if most.software else ""
    return (
        f"plans rest on {most.metric} of this device, known from {most.rows} rows{under}; the time of a call follows "
        "from one of the two"
    )


def _settings(learnt: Calibration) -> set[tuple[str, str]]:
    """Return the software and precisions that devices were measured in."""
    stages = (stage for stage in learnt.stages if stage.keys == ("device", "setting"))
    words = (effect.group[1].split("|") for stage in stages for effect in stage.effects)
    return {(software, precision) for software, precision, *_ in words}
