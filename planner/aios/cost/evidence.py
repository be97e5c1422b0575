"""What is known beyond datasheets: measurements, and the digests needed to find the right one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import SkipValidation

from aios.records.base import Record
from aios.records.calibration import Calibration
from aios.records.candidate import CALIBRATED, DISTURBED, Candidate, content_of
from aios.records.correction import Correction
from aios.records.measurement import Measurement, Subject, subject_of
from aios.records.transform import Declaration

__all__ = ["Evidence", "Library"]


class Evidence(Record):
    """Everything that was measured.

    measurements: subject digest -> measurement · engines: executor name -> engine string (``onnxruntime 1.22.0``) ·
    calibration, evaluation, training: model name -> digest of the data that ranges are read from, that accuracy is
    measured on, that compression may learn from · calibrations: (predictor, metric) -> what was learnt of the fleet's
    devices and of all devices together, which may be read only when it is asked for · transforms: what the installed
    ones declare, by name · corrections: (device, executor) -> what times that
    were measured there teach
    """

    measurements: Mapping[str, Measurement] = {}
    engines: Mapping[str, str] = {}
    calibration: Mapping[str, str] = {}
    evaluation: Mapping[str, str] = {}
    training: Mapping[str, str] = {}
    calibrations: Annotated[Mapping[tuple[str, str], Calibration], SkipValidation] = {}
    transforms: Mapping[str, Declaration] = {}
    corrections: Annotated[Mapping[tuple[str, str], Correction], SkipValidation] = {}


class Library:
    """Looks measurements up. Skips the work of forming a subject where nothing of the kind was ever measured."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._groups: dict[tuple[str, str, str, str], list[Measurement]] = {}
        self._accuracy: dict[str, list[Measurement]] = {}
        self._served: dict[tuple[str, str], list[Measurement]] = {}
        self._pairs: dict[tuple[str, str], list[tuple[Measurement, Measurement]]] = {}
        for digest in sorted(evidence.measurements):
            found = evidence.measurements[digest]
            subject = found.subject
            self._groups.setdefault((subject.kind, subject.model, subject.device, subject.executor), []).append(found)
            if subject.kind == "accuracy":
                self._accuracy.setdefault(subject.model, []).append(found)
            elif subject.kind == "serving":
                self._served.setdefault((subject.device, subject.executor), []).append(found)

    @property
    def calibrations(self) -> Mapping[tuple[str, str], Calibration]:
        """What was learnt: (predictor, metric) -> calibration."""
        return self._evidence.calibrations

    @property
    def transforms(self) -> Mapping[str, Declaration]:
        """What installed transforms declare, by name."""
        return self._evidence.transforms

    def correction(self, candidate: Candidate) -> Correction | None:
        """Return what was learnt of times on the candidate's device under the engine that it would run on now."""
        found = self._evidence.corrections.get((candidate.device, candidate.executor))
        return found if found and found.engine == self._evidence.engines.get(candidate.executor) else None

    def find(
        self, kind: Literal["service", "serving", "accuracy"], candidate: Candidate, batch: int | None = None
    ) -> Measurement | None:
        """Return the measurement of exactly this candidate (of ``batch`` instead of its own, if given), or None."""
        engine = self._evidence.engines.get(candidate.executor)
        if engine is None or not self.kin(kind, candidate):
            return None
        if batch is not None and batch != candidate.batch:
            candidate = candidate.model_copy(update={"batch": batch})
        subject = subject_of(
            kind,
            candidate,
            engine=engine,
            calibration=self._evidence.calibration.get(candidate.model),
            data=self._evidence.evaluation.get(candidate.model),
            training=self._evidence.training.get(candidate.model),
        )
        return self._evidence.measurements.get(subject.digest)

    def disturbance(self, candidate: Candidate) -> str:
        """Return what disturbed the measurements of exactly this candidate, as its estimates' basis has it."""
        kinds: tuple[Literal["service", "serving"], ...] = ("serving", "service")
        found = (self.find(kind, candidate) for kind in kinds)
        told = (item.conditions.get("disturbed") for item in found if item is not None)
        words = "; ".join(dict.fromkeys(filter(None, told)))
        return f"{DISTURBED}{words}" if words else ""

    def kin(self, kind: Literal["service", "serving", "accuracy"], candidate: Candidate) -> list[Measurement]:
        """Return what was measured of the same model, device and executor, in a fixed order."""
        return self._groups.get((kind, candidate.model_digest, candidate.device, candidate.executor), [])

    def served(self, candidate: Candidate) -> list[tuple[Measurement, Measurement]]:
        """Return what was measured behind its endpoint and alone, on the same device by the same executor, of whatever
        model, in a fixed order."""
        key = candidate.device, candidate.executor
        if key not in self._pairs:
            alone = [(item, self._alone(item)) for item in self._served.get(key, [])]
            self._pairs[key] = [(served, own) for served, own in alone if own is not None]
        return self._pairs[key]

    def _alone(self, served: Measurement) -> Measurement | None:
        subject = served.subject.model_copy(update={"kind": "service"})
        return self._evidence.measurements.get(subject.digest)

    def accuracies(self, candidate: Candidate) -> list[Measurement]:
        """Return accuracies of what the candidate computes on the same data, wherever they were measured."""
        return [found for found in self._on_same_data(candidate) if found.subject.way == candidate.way]

    def accuracies_beside(self, candidate: Candidate, setting: str) -> list[Measurement]:
        """Return accuracies of what the candidate would compute with another value of one setting, or with its own."""
        way = _way_without(candidate, setting)
        return [found for found in self._on_same_data(candidate) if _way_without(found.subject, setting) == way]

    def _on_same_data(self, candidate: Candidate) -> list[Measurement]:
        data = self._evidence.evaluation.get(candidate.model)
        known = self._evidence.calibration.get(candidate.model)
        calibration = known if candidate.quantization in CALIBRATED else None
        return [
            found
            for found in self._accuracy.get(candidate.model_digest, [])
            if found.subject.data == data and found.subject.calibration == calibration
        ]


def _way_without(item: Candidate | Subject, setting: str) -> tuple[object, ...]:
    others = sorted((name, content_of(value)) for name, value in item.settings.items() if name != setting)
    return item.precision, item.quantization, item.compression, tuple(others)
