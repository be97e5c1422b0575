"""What can be measured of a candidate on this machine, and what of it is missing."""

from __future__ import annotations

from typing import Literal, NamedTuple

from aios.records.candidate import Candidate, label_of
from aios.records.intent import Intent
from aios.records.measurement import Measurement, Subject, subject_of
from aios.records.plan import Deployment
from aios.workflow.reading import Given

__all__ = ["Task", "deployment_of_one", "family", "missing", "named", "work_of"]

_SHORT = 0.25
"""Share of the time of an engine setting that its first measurement takes: most settings are ruled out by that."""

_IS_SHORT = "of the usual time"


class Task(NamedTuple):
    """A measurement to make. name: digest of its subject, and its share · batch: of the calls of the engine"""

    name: str
    kind: Literal["accuracy", "service", "serving"]
    share: float = 1.0
    batch: int = 1

    @property
    def conditions(self) -> dict[str, str]:
        """What is noted with it beside what the bench notes."""
        return {} if self.share == 1.0 else {"share": f"{self.share:g} {_IS_SHORT}"}

    def words(self, candidate: Candidate) -> str:
        """Say what is measured."""
        if self.kind == "accuracy":
            return f"accuracy of {candidate.model} {label_of(candidate)}"
        work = work_of(candidate.model_copy(update={"batch": self.batch}))
        return f"endpoint: {work}" if self.kind == "serving" else f"engine: {work}"


def missing(given: Given, intent: Intent, candidate: Candidate, *, short: bool) -> tuple[tuple[Task, ...], set[str]]:
    """Return what is not measured of a candidate, and digests of what is. short: an engine is measured for a part of
    its time first, and for all of it once its candidate is not ruled out by that."""
    tasks, known = [], set()
    single = candidate.model_copy(update={"batch": 1})
    wanted: list[tuple[Literal["accuracy", "service", "serving"], Candidate]] = []
    if given.evaluation[intent.name].get(candidate.model) is not None:
        wanted.append(("accuracy", candidate))
    wanted += [("service", one) for one in ([candidate] if candidate.batch == 1 else [single, candidate])]
    wanted.append(("serving", candidate))
    for kind, one in wanted:
        digest = _subject(given, intent, one, kind).digest
        found = given.measurements.get(digest)
        if found is not None:
            known.add(digest)
        if kind == "service" and short and (found is None or _is_short(found)):
            share = _SHORT if found is None else 1.0
            tasks.append(Task(f"{digest} {share:g}", kind, share, one.batch))
        elif (
            found is None
            or (kind == "service" and _is_short(found))
            or found.lacks(intent.judged_by if kind == "accuracy" else ())
        ):
            tasks.append(Task(digest, kind, batch=one.batch))
    return tuple(tasks), known


def _is_short(found: Measurement) -> bool:
    return found.conditions.get("share", "").endswith(_IS_SHORT)


def named(given: Given, intent: Intent, candidate: Candidate) -> bool:
    """Say whether engine or endpoint of a candidate were measured."""
    kinds: tuple[Literal["service", "serving"], ...] = ("service", "serving")
    return any(_subject(given, intent, candidate, kind).digest in given.measurements for kind in kinds)


def _subject(
    given: Given, intent: Intent, candidate: Candidate, kind: Literal["service", "serving", "accuracy", "artefact"]
) -> Subject:
    return subject_of(
        kind,
        candidate,
        engine=given.executors[candidate.executor].engine(),
        calibration=given.calibration[intent.name].get(candidate.model),
        training=given.training[intent.name].get(candidate.model),
        data=given.evaluation[intent.name].get(candidate.model),
    )


def deployment_of_one(given: Given, intent: Intent, candidate: Candidate) -> Deployment:
    """Return the deployment of one replica of the candidate on this machine."""
    from aios.plan import deployment_of
    from aios.records.selection import Placement

    fleet = given.fleet
    node = next(node for node in fleet.nodes if node.address == "local" and node.name in candidate.nodes)
    slot = next(slot for slot in node.devices if slot.type == candidate.device)
    one = candidate.model_copy(update={"replicas": 1})
    cores = fleet.types[candidate.device].cores
    placement = Placement(
        node=node.instances()[0],
        devices=slot.ids[:1],
        share=candidate.threads / cores if cores else 1.0,
        replicas=1,
    )
    profile = given.profiles[intent.name][candidate.model]
    return deployment_of(
        intent, one, (placement,), profile, given.calibration[intent.name], fleet, given.training[intent.name]
    )


def family(given: Given, intent: Intent, candidate: Candidate) -> str:
    """Return the digest of what a model is prepared from: intents may call different files, or data, by one name."""
    return _subject(given, intent, candidate, "artefact").digest


def work_of(candidate: Candidate) -> str:
    """Name what is measured of a candidate, whatever its number of replicas."""
    mode = f" mode {candidate.power_mode}" if candidate.power_mode else ""
    threads = f" threads {candidate.threads}" if candidate.threads else f" on {candidate.device}"
    return f"{candidate.model} {label_of(candidate)}{threads} batch {candidate.batch}{mode}"
