"""What an executor is told to run: one intent's choice with everything that it needs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.candidate import CALIBRATED, Candidate
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.plan import Deployment
from aios.records.selection import Placement

__all__ = ["deployment_of"]

_MAX_DELAY_S = 0.0
"""A free replica takes what waits, up to its batch, at once. Waiting for a fuller batch would add to every latency and
win throughput only at loads where batches fill by themselves."""


def deployment_of(
    intent: Intent,
    candidate: Candidate,
    placement: Sequence[Placement],
    profile: ModelProfile,
    calibration: Mapping[str, str],
    fleet: Fleet,
    training: Mapping[str, str] | None = None,
) -> Deployment:
    """Return the deployment of ``candidate`` as it was placed.

    calibration, training: model name -> digest of the data that quantisation reads ranges from, that compression may
    learn from; they are part of the deployment only then
    """
    choice = next(choice for choice in intent.models if choice.name == candidate.model)
    static = candidate.quantization in CALIBRATED
    learns = candidate.compression != "none"
    return Deployment(
        intent=intent.name,
        task=intent.task,
        model=candidate.model,
        model_path=choice.file,
        model_digest=profile.digest,
        stored=choice.stored.version if choice.stored else None,
        precision=candidate.precision,
        quantization=candidate.quantization,
        compression=candidate.compression,
        calibrate=intent.data.calibrate if static else (),
        calibrate_digest=calibration.get(candidate.model) if static else None,
        train_data=intent.data.train if learns else (),
        train_digest=(training or {}).get(candidate.model) if learns else None,
        device=candidate.device,
        device_kind=fleet.types[candidate.device].kind,
        batch=candidate.batch,
        max_delay_s=_MAX_DELAY_S,
        threads=candidate.threads,
        replicas=candidate.replicas,
        power_mode=candidate.power_mode,
        tiers=candidate.tiers,
        devices=candidate.devices,
        machines=candidate.machines,
        degrees=candidate.degrees,
        settings=candidate.settings,
        executor=candidate.executor,
        placement=tuple(item.model_copy(update={"hourly": ()}) if item.hourly else item for item in placement),
        addresses=_addresses({item.node for item in placement}, fleet),
        serve=intent.serve,
        rate_per_s=intent.load.rate_per_s if intent.load else None,
        arrivals=intent.load.arrivals if intent.load else "poisson",
        prompt_tokens=intent.load.prompt_tokens if intent.load else None,
        output_tokens=intent.load.output_tokens if intent.load else None,
        train=intent.train,
        next=_next(intent),
        part=intent.part,
        per=intent.stage.per if intent.stage else 1,
        protection=intent.protection,
    )


def _next(intent: Intent) -> tuple[str, ...]:
    """Return the addresses of the stages that take the output of this one."""
    pipeline, stage = intent.pipeline, intent.stage
    if pipeline is None or stage is None:
        return ()
    return tuple(pipeline.called(then) for first, then in pipeline.edges if first == stage)


def _addresses(instances: set[str], fleet: Fleet) -> Mapping[str, str | None]:
    """Return instance name -> how it is reached, sorted by name."""
    found = {name: node.address for node in fleet.nodes for name in node.instances() if name in instances}
    return {name: found[name] for name in sorted(found)}
