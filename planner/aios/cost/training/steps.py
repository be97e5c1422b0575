"""Steps of candidates: physics at their place in the fleet, corrected by what was learnt of such steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aios.cost.learning import predict
from aios.cost.power import slowed
from aios.cost.spent import Spent
from aios.cost.step_predictor import DENSE, PREDICTOR, steps_design
from aios.cost.training.hardware import Hardware
from aios.cost.training.memory import Held, held_bytes
from aios.cost.training.steptime import Kernels, Parts, Work, kernels, share_of_peak, step_parts
from aios.cost.training.structure import Structure, structure_of
from aios.cost.training.surroundings import hardware_at
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate
from aios.records.fleet import Fleet
from aios.records.intent import Training
from aios.records.training import Spot
from aios.records.transformer import Transformer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Level, Texts

__all__ = ["UNLEARNT", "Steps", "spot_of", "steps_of"]

UNLEARNT = (0.6, 1.0, 1.6)
"""Where steps are taken to lie relative to what physics alone says, without a calibration: an assumption. Published
utilisations of large jobs, each tuned on its own hardware, lie within a factor of 1.5 of their middle (21 to 46 %,
arXiv 2204.02311 table 3)."""
_WIDER = "bf16"
"""Precision of all but products where those have fewer than 16 bits."""


class Steps(NamedTuple):
    """n candidates.

    low, value, high: seconds of a step, a 90 % interval · parts, kernels: of the physics, per token and device · work:
    how the steps are split · held: of the fullest device · level: what was seen before, empty for nothing
    """

    low: Floats
    value: Floats
    high: Floats
    parts: Parts
    kernels: Kernels
    work: Work
    held: Held
    level: Texts

    def spent(self, row: int) -> Spent:
        """Return what devices of a candidate do in a step."""
        seconds = self.parts_s(row)
        computing = seconds["compute"] + seconds["recompute"]
        return Spent(
            computing, seconds["optimizer"], max(0.0, sum(seconds.values()) - computing - seconds["optimizer"])
        )

    def kernels_s(self, row: int) -> Mapping[str, float]:
        """Return by kind of kernel where the computing of both passes goes in seconds, as it is in ``parts_s``."""
        trained = 3 - float(self.work.adapters[row])
        products = trained * float(self.kernels.products[row])
        both = float(self.kernels.forward[row] + self.kernels.backward(self.work)[row])
        elementwise = float(self.kernels.elementwise[row])
        computed = float(self.parts.compute[row])
        found = {
            "products": products,
            "scores": both - products - elementwise,
            "elementwise": elementwise,
            "launch": computed - both,
        }
        scale = self.parts_s(row)["compute"] / computed
        return {name: max(0.0, part) * scale for name, part in found.items()}

    def parts_s(self, row: int) -> Mapping[str, float]:
        """Return where a candidate's step goes in seconds, which add up to its value."""
        names = [item.name for item in fields(self.parts)]
        scale = float(self.value[row] / self.parts.total[row])
        return {name: float(getattr(self.parts, name)[row]) * scale for name in names}

    def held_by(self, row: int) -> Mapping[str, float]:
        """Return what the fullest device of a candidate holds, in bytes."""
        return {item.name: float(getattr(self.held, item.name)[row]) for item in fields(self.held)}


def spot_of(candidate: Candidate) -> Spot:
    """Return where a candidate trains."""
    return Spot(candidate.nodes, candidate.devices, candidate.machines)


def steps_of(
    model: Transformer,
    train: Training,
    candidates: Sequence[Candidate],
    fleet: Fleet,
    calibrations: Mapping[tuple[str, str], Calibration],
) -> Steps:
    """Return the steps of candidates that train one model, of which there is at least one.

    Corrections are of a step as a whole, so two bounds keep its pieces honest: products in fewer than 16 bits gain on
    those in 16 no more than the ratio of the peaks, everything else nothing; and no product runs above its peak, or
    above the quickest that was measured on the device.
    """
    import numpy as np

    structure = structure_of(model)
    precisions = [item.precision for item in candidates]
    work, hardware = _work(train, candidates), _hardware(candidates, precisions, fleet)
    physics = step_parts(structure, work, hardware)
    ends, level = _learnt_ends(model, structure, work, hardware, candidates, precisions, calibrations)
    if (hardware.peak > hardware.wide_peak).any():
        wider = _hardware(candidates, [_WIDER] * len(candidates), fleet)
        slower, _ = _learnt_ends(model, structure, work, wider, candidates, [_WIDER] * len(candidates), calibrations)
        gain = np.log(step_parts(structure, work, wider).total / physics.total)
        ends = np.where(hardware.peak > hardware.wide_peak, np.maximum(ends, slower - gain), ends)
    ends = np.maximum(ends, np.log(physics.total * share_of_peak(structure, work, hardware)))
    low, value, high = np.exp(ends) * work.tokens / work.devices
    held = held_bytes(structure, work)
    steps = Steps(low, value, high, physics, kernels(structure, work, hardware), work, held, level)
    return _capped(steps, candidates, fleet)


def _learnt_ends(
    model: Transformer,
    structure: Structure,
    work: Work,
    hardware: Hardware,
    candidates: Sequence[Candidate],
    precisions: Sequence[str],
    calibrations: Mapping[tuple[str, str], Calibration],
) -> tuple[Floats, Texts]:
    """Return logarithms of seconds per token and device of low, value and high (3, n), and what was seen before."""
    import numpy as np

    ends: Floats = np.log(step_parts(structure, work, hardware).total) + np.log(np.array(UNLEARNT))[:, np.newaxis]
    level = np.full(len(candidates), "", dtype="U16")
    types = np.array([item.device for item in candidates])
    for name in sorted(set(types.tolist())):
        seen, learnt = _learnt(name, calibrations)
        if learnt is not None:
            rows = types == name
            keys = _keys(model, name, np.array(precisions)[rows], learnt)
            unknown = np.full(int(rows.sum()), "", dtype="U1")
            design = steps_design(structure, _rows(work, rows), _rows(hardware, rows), keys, unknown)
            found = predict(design, learnt, seen)
            ends[:, rows] = found.low, found.value, found.high
            level[rows] = seen
    return ends, level


def _capped(steps: Steps, candidates: Sequence[Candidate], fleet: Fleet) -> Steps:
    """Return the steps as long as they are under the caps that candidates set."""
    import numpy as np

    longer = np.ones(len(candidates))
    for row, item in enumerate(candidates):
        if item.power_mode is not None:
            spent = steps.spent(row)
            longer[row] = slowed(item, fleet.types[item.device], spent.intensity, spent.clocked)
    return steps._replace(low=steps.low * longer, value=steps.value * longer, high=steps.high * longer)


_T = TypeVar("_T", Work, Hardware)


def _rows(table: _T, rows: npt.NDArray[np.bool_]) -> _T:
    return type(table)(**{item.name: getattr(table, item.name)[rows] for item in fields(table)})


def _learnt(device: str, calibrations: Mapping[tuple[str, str], Calibration]) -> tuple[Level, Calibration | None]:
    """Return what teaches most of a device's steps, and whether it saw that device."""
    found = [calibrations.get((PREDICTOR.name, metric)) for metric in PREDICTOR.metrics]
    known = [item for item in found if item is not None and item.version == PREDICTOR.version]
    if not known:
        return "zero-shot", None
    best = max(known, key=lambda item: (_seen(item, device), sum(row.rows for row in item.provenance)))
    return ("calibrated" if _seen(best, device) else "zero-shot"), best


def _seen(learnt: Calibration, device: str) -> int:
    """Return how many rows of a device were learnt from."""
    return sum(
        effect.rows
        for stage in learnt.stages
        if stage.keys == ("device", "alike")
        for effect in stage.effects
        if effect.group[0] == device
    )


def _keys(model: Transformer, device: str, precisions: Texts, learnt: Calibration) -> dict[str, Texts]:
    """Return the groups of candidates of one device type; the engine is the one that was measured most there."""
    import numpy as np

    alike = model.name if model.experts is not None else DENSE
    engines = {name: _engine(learnt, device, name, alike) for name in set(precisions.tolist())}
    return {
        "device": np.array([device] * len(precisions)),
        "engine": np.array([engines[name] for name in precisions.tolist()]),
        "precision": precisions,
        "mixture": np.array(["" if alike == DENSE else alike] * len(precisions)),
        "alike": np.array([alike] * len(precisions)),
        "model": np.array([model.name] * len(precisions)),
    }


def _engine(learnt: Calibration, *group: str) -> str:
    """Return the engine of which most steps of a device, a precision and models alike were measured; empty where none
    was."""
    counts: dict[str, int] = {}
    for stage in learnt.stages:
        if stage.keys == ("device", "engine", "precision", "alike"):
            for effect in stage.effects:
                device, engine, *rest = effect.group
                if (device, *rest) == group:
                    counts[engine] = max(counts.get(engine, 0), effect.rows)
    return max(counts, key=lambda name: (counts[name], name), default="")


def _work(train: Training, candidates: Sequence[Candidate]) -> Work:
    import numpy as np

    def degree(name: str) -> Floats:
        return np.array([float(item.degrees.get(name, 1)) for item in candidates])

    def setting(name: str, otherwise: str) -> list[str]:
        return [item.settings.get(name, otherwise) for item in candidates]

    one = np.ones(len(candidates))
    return Work(
        devices=np.array([float(spot_of(item).total) for item in candidates]),
        sequence=one * train.sequence,
        global_batch=one * train.batch,
        micro_batch=np.array([float(size) for size in setting("micro_batch", "1")]),
        tensor=degree("tensor"),
        pipeline=degree("pipeline"),
        chunks=np.array([float(many) for many in setting("chunks", "1")]),
        context=degree("context"),
        expert=degree("expert"),
        shard=np.array(
            [0.0 if name == "none" else float(name.removeprefix("zero")) for name in setting("sharding", "none")]
        ),
        recompute=np.array([float(name == "full") for name in setting("recompute", "none")]),
        scores_again=np.array([float(name == "selective") for name in setting("recompute", "none")]),
        adapters=0 * one,
        sequence_parallel=one,
        unfused=0 * one,
    )


def _hardware(candidates: Sequence[Candidate], precisions: Sequence[str], fleet: Fleet) -> Hardware:
    import numpy as np

    known: dict[tuple[object, ...], Hardware] = {}
    rows = []
    for item, precision in zip(candidates, precisions, strict=True):
        key = (item.device, precision, spot_of(item))
        if key not in known:
            known[key] = hardware_at(fleet, fleet.types[item.device], spot_of(item), precision)
        rows.append(known[key])
    columns = {item.name: np.array([getattr(row, item.name)[0] for row in rows]) for item in fields(Hardware)}
    return Hardware(**columns)
