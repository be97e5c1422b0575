"""The bench: runs one deployment on this machine and returns measurements of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from aios.records.candidate import label_of
from aios.records.errors import InputError, PluginError, WorldError
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.measurement import MADE_WITH, Measurement, Subject, subject_of
from aios.records.model import ModelProfile
from aios.records.plan import Action, Deployment, unsigned
from aios.records.state import Resource
from aios.spi.executor import Artefact, Executor
from aios.spi.sealing import key_reference
from aios.workflow.applying import carry_out
from aios.workflow.comparisons import answers_of, as_stored, compares_with_stored, paired_words
from aios.workflow.keeping import artefacts_of, load_state, locked, opened
from aios.workflow.loading import bursts, items_for, open_loop
from aios.workflow.metering import best_meter, dynamic_energy, metered, ready_and_run_s, resident_bytes
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.models.data_files import Items

__all__ = ["Bench", "endpoint_s"]

_SERVING_SHARE = 0.3
"""Share of capacity at which serving is measured when the intent's own load is higher: queueing stays rare."""

_BURSTS, _BURST_SIZE = 5, 32
"""Bursts that capacity is measured with: enough in flight to keep one replica busy, few enough for small queues."""

_CROWDED = 0.2
"""Share of the time that a service's threads are ready to run and others run, from which on its figures are not its
own: alone on two cores, its client beside it, it is about a tenth."""

_FEWEST, _SHORTEST_S, _LONGEST_S = 800, 2.0, 8.0
"""A serving run has so many requests (its 99th percentile then rests on the eight slowest) within these seconds."""

_STARTED_S = 2.0
"""What starting a service and ending it take together."""


def endpoint_s(item_s: float) -> float:
    """Return about how long measuring an endpoint takes whose service computes an item in so many seconds."""
    return _STARTED_S + (_BURSTS + 1) * _BURST_SIZE * item_s + _loaded_s(_SERVING_SHARE / item_s)


def _loaded_s(rate: float) -> float:
    return min(max(_SHORTEST_S, _FEWEST / rate), _LONGEST_S)


class Bench:
    """Measures deployments here, one at a time.

    As a context: services that a killed run left behind are removed on entering, its own on leaving. It keeps a
    state of its own beside that of ``apply``, so everything that makes apply safe against a crash holds here too. Two
    at once would spoil each other's figures: the second is refused with ConflictError.
    """

    def __init__(
        self, setting: Setting, executors: Mapping[str, Executor], devices: Mapping[str, DeviceType], budget_s: float
    ) -> None:
        from aios.state import ProfileStore

        self._setting = setting
        self._home = setting.home / "bench"
        self._own = replace(setting, state=self._home / "state.json")
        self._executors = executors
        self._devices = devices
        self._budget_s = budget_s
        self._profiles = ProfileStore(setting.profiles)
        self._artefacts = artefacts_of(setting)
        self._prepared: dict[str, Artefact] = {}
        self._stored: dict[str, Any] = {}  # answers of one model as it is stored: others are compared with them
        self._alone = locked(self._home / "profile.lock", self._own, "aios profile")

    def __enter__(self) -> Self:
        self._alone.__enter__()
        try:
            self._clear()
        except BaseException:
            self._alone.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._clear()
        finally:
            self._alone.__exit__(kind, error, trace)

    def store(self, measurement: Measurement) -> None:
        """Write a measurement to the profile store."""
        self._profiles.save(measurement)

    def failure(self, deployment: Deployment) -> Measurement | None:
        """Prepare the deployment's model; return what there is to remember when that fails, None when it does not.

        A machine that fails (its disk is full, say) says nothing about the model: any other WorldError goes through.
        """
        try:
            self._artefact(deployment)
        except (InputError, PluginError) as error:
            reason = "; ".join(item.summary + (f": {item.reason}" if item.reason else "") for item in error.diagnostics)
            return Measurement(
                subject=self._subject("artefact", deployment, None),
                values={},
                conditions={"failed": reason},
                as_of=self._setting.now(),
            )
        return None

    def accuracy(self, deployment: Deployment, intent: Intent, profile: ModelProfile, data: str) -> Measurement:
        """Measure the accuracy of a precision on the intent's evaluation data, without serving it."""
        from aios.verify import score, wanted_measures

        executor = self._executors[deployment.executor]
        items = items_for(self._setting, intent.data.evaluate, profile)
        outputs = self._answers(deployment, items.inputs)
        names = wanted_measures(intent.judged_by, items.labels)
        stored = None
        if compares_with_stored(names):
            reference = as_stored(deployment, profile)
            key = f"{reference.model_digest} {reference.executor} {reference.device} {data}"
            if key not in self._stored:
                same = label_of(reference) == label_of(deployment)
                self._stored = {key: outputs if same else self._answers(reference, items.inputs)}
            stored = self._stored[key]
        scores = score(names, answers_of(items, outputs, stored), f"{executor.engine()} on the evaluation data")
        return Measurement(
            subject=self._subject("accuracy", deployment, data),
            values=scores.values,
            distributions=scores.distributions,
            conditions={
                "items": str(len(outputs)),
                **paired_words(scores.values),
                **self._not_independent(deployment, items, profile),
            },
            as_of=self._setting.now(),
        )

    def _not_independent(self, deployment: Deployment, judged: Items, profile: ModelProfile) -> dict[str, str]:
        """Return how many items that the deployment is judged on its model was made with, and warn of them."""
        from aios.models.data_files import shared_items

        for files in filter(None, (deployment.calibrate, deployment.train_data)):
            count = shared_items(judged, items_for(self._setting, files, profile))
            if count:
                told = f"{count} of the {len(next(iter(judged.inputs.values())))} items"
                self._setting.warn(
                    f"{deployment.model} {label_of(deployment)} is judged on data that it was made with ({told}): "
                    "others may be answered worse; give data.evaluate items of its own"
                )
                return {MADE_WITH: told}
        return {}

    def _answers(self, deployment: Deployment, inputs: Mapping[str, Any]) -> Any:
        """Return the first output of a deployment, (items, ...)."""
        executor = self._executors[deployment.executor]
        return next(iter(executor.infer(deployment, self._artefact(deployment), inputs).values()))

    def engine(self, deployment: Deployment, intent: Intent, profile: ModelProfile, share: float = 1.0) -> Measurement:
        """Measure the engine alone, calls back to back, for a share of the time of a setting."""
        inputs = items_for(self._setting, intent.data.evaluate, profile).inputs
        executor = self._executors[deployment.executor]
        return executor.measure(deployment, self._artefact(deployment), inputs, self._budget_s * share)

    def serving(self, deployment: Deployment, intent: Intent, profile: ModelProfile) -> Measurement:
        """Start the deployment as a service of one replica, load it below its capacity, then in bursts; take it
        down."""
        items = items_for(self._setting, intent.data.evaluate, profile).inputs
        address = f"bench-{deployment.intent}"
        # Nobody has vouched yet for what is measured in order to be chosen; it stays encrypted all the same.
        deployment = unsigned(deployment)
        try:
            self._do("create", address, deployment)
            return self._exercise(load_state(self._own).resources[address], deployment, items)
        finally:
            self._clear()

    def _exercise(self, resource: Resource, deployment: Deployment, items: Mapping[str, Any]) -> Measurement:
        import numpy as np

        from aios.verify import arrival_times, burst_capacity, serving_measurement

        executor = self._executors[deployment.executor]
        pids = executor.observe(resource.address, resource.handle).pids
        before = ready_and_run_s(pids)
        warm_up, *rest = [executor.exercise(resource.handle, load) for load in bursts(items, _BURSTS + 1, _BURST_SIZE)]
        del warm_up
        capacity = burst_capacity(rest)
        if capacity is None:
            raise WorldError(f"{deployment.model} was served but answered no request: {dict(rest[0].errors)}")
        rate = min(deployment.rate_per_s or capacity.value, _SERVING_SHARE * capacity.value)
        seconds = _loaded_s(rate)
        load = open_loop(arrival_times(rate, seconds, "poisson", np.random.default_rng(0)), items)
        device = self._devices[deployment.device]
        meter, _why_not = best_meter(device)
        trace, reading = metered(meter, device, pids, lambda: executor.exercise(resource.handle, load))
        resident = resident_bytes(pids, mapped=bool(deployment.tiers))
        conditions = {
            "rate": f"{rate:.4g}/s Poisson",
            "duration": f"{seconds:.3g} s",
            "load average": f"{os.getloadavg()[0]:.2f}",
            **_crowding(before, ready_and_run_s(pids)),
        }
        return serving_measurement(
            self._subject("serving", deployment, None),
            trace,
            capacity,
            energy_j=dynamic_energy(reading, device) if reading else None,
            meter=reading.meter if reading else "none",
            scope=reading.scope if reading else None,
            memory_bytes=resident,
            conditions=conditions,
            as_of=self._setting.now(),
        )

    def _artefact(self, deployment: Deployment) -> Artefact:
        sealed = key_reference(deployment) or "plain"
        made_of = f"{deployment.model_digest}/{deployment.calibrate_digest}/{deployment.train_digest}"
        key = f"{made_of}/{label_of(deployment)}/{deployment.executor}/{sealed}"
        if key not in self._prepared:
            self._prepared[key] = self._executors[deployment.executor].prepare(deployment, self._artefacts)
        return self._prepared[key]

    def _subject(
        self, kind: Literal["service", "serving", "accuracy", "artefact"], deployment: Deployment, data: str | None
    ) -> Subject:
        engine = self._executors[deployment.executor].engine()
        return subject_of(
            kind,
            deployment,
            engine=engine,
            calibration=deployment.calibrate_digest,
            data=data,
            training=deployment.train_digest,
        )

    def _do(self, action: Literal["create", "delete"], address: str, deployment: Deployment) -> None:
        """Carry out one action in the bench's own state. Raises WorldError when it fails."""
        step = Action(
            address=address,
            action=action,
            reason="to be measured" if action == "create" else "has been measured",
            executor=deployment.executor,
            before=None if action == "create" else deployment,
            after=deployment if action == "create" else None,
            undo="it is removed after measuring",
        )
        with opened(self._own, "aios profile", artefacts=self._setting.artefacts) as kept:
            report = carry_out(
                (step,), kept, self._own, plan=f"bench {action}", made=None, on_event=lambda _event: None
            )
        if report.diagnostics:
            raise WorldError(*report.diagnostics)

    def _clear(self) -> None:
        """Remove every service of the bench, also those that a killed run left behind."""
        for address, resource in load_state(self._own).resources.items():
            self._do("delete", address, resource.deployment)


def _crowding(before: tuple[float, float], after: tuple[float, float]) -> dict[str, str]:
    """Return conditions of a service whose threads were ready to run and ran so long, and whether that disturbs."""
    waited, ran = (late - early for early, late in zip(before, after, strict=True))
    share = waited / (waited + ran) if waited + ran > 0 else 0.0
    noted = {"waited": f"{100 * share:.1f} % of the time that it was ready to run"}
    if share > _CROWDED:
        noted["disturbed"] = f"it waited for a core for {share:.0%} of the time that it was ready to run"
    return noted
