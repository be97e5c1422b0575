"""The onnxruntime executor: one class that says what each method means and hands on to who does it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from aios.records.candidate import Candidate
from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.fleet import DeviceType
from aios.records.measurement import Measurement
from aios.records.model import ModelProfile
from aios.records.plan import Action, Deployment
from aios.records.protection import PROTECTIONS, ProtectionName
from aios.spi.checkup import Finding
from aios.spi.executor import (
    API_VERSION,
    Artefact,
    Counted,
    Exercise,
    Found,
    Hint,
    Journal,
    Observation,
    Outcome,
    Refusal,
    Store,
    Stranger,
    Tensors,
    Trace,
)
from aios_plugins.onnxruntime import adopting, artefacts, capability, lifecycle, observing
from aios_plugins.onnxruntime.attested import attested, attested_of

__all__ = ["Executor"]


class Executor:
    """Serves ONNX models on this machine with onnxruntime."""

    name: ClassVar[str] = "onnxruntime"
    api_version: ClassVar[int] = API_VERSION
    in_place: ClassVar[frozenset[str]] = frozenset(Deployment.model_fields) - {
        "executor",
        "serve",
        "addresses",
        "device",
        "device_kind",
        "power_mode",
        "protection",
    }
    protects: ClassVar[frozenset[ProtectionName]] = frozenset(PROTECTIONS)

    def engine(self) -> str:
        """Return name and version of onnxruntime."""
        return artefacts.engine()

    def can(self, candidate: Candidate, device: DeviceType, model: ModelProfile) -> Refusal | None:
        """Say whether onnxruntime could run the candidate on such a device, here or elsewhere."""
        return capability.can(candidate, device, model)

    def validate(self, action: Action) -> Sequence[Diagnostic]:
        """Return everything that keeps the action from being carried out on this machine."""
        return capability.validate(action)

    def prepare(self, deployment: Deployment, store: Store) -> Artefact:
        """Return the optimised or quantised model, made if need be."""
        return artefacts.prepare(deployment, store)

    def carry_out(self, action: Action, prior: Mapping[str, Any] | None, journal: Journal, store: Store) -> Outcome:
        """Start, change or end the service. Raises WorldError when it does not come up, InputError for a bad action."""
        runtime = store.runtime(action.address)
        if action.action == "delete":
            return lifecycle.delete(action.address, runtime, prior, journal)
        wanted = action.after
        if wanted is None:
            raise InputError(f"the action {action.action!r} on {action.address} does not say what shall stand")
        found = capability.unreachable(wanted)
        if found:
            raise WorldError(*found)
        artefact = self.prepare(wanted, store)
        store.verify(artefact)
        attested(artefact.path, attested_of(wanted, artefact))
        if action.moved_from is not None:
            lifecycle.rename(store.runtime(action.moved_from), runtime, prior, journal)
        if action.downtime_s is not None:
            lifecycle.delete(action.address, runtime, prior, journal)
        anew = action.action == "replace"
        return lifecycle.create(action.address, wanted, artefact, runtime, prior, journal, anew=anew)

    def observe(self, address: str, handle: Mapping[str, Any] | None) -> Observation:
        """Say what is true of the service now."""
        return observing.observe(address, handle)

    def counted(self, handle: Mapping[str, Any]) -> Sequence[Counted]:
        """Return what the service counted in each minute of the last day."""
        return observing.counted(handle)

    def strangers(self, folder: Path, handles: Sequence[Mapping[str, Any]]) -> Sequence[Stranger]:
        """Return services below the folder that no handle names."""
        return observing.strangers(folder, handles)

    def find(self, address: str, hint: Hint, store: Store) -> Found:
        """Return the running service that ``hint`` leads to, proved by its token, its secret and its digest."""
        runtime = store.runtime(address)
        try:
            return adopting.find(hint, runtime)
        finally:
            with suppress(OSError):
                runtime.rmdir()  # it was made by asking for it

    def is_same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Say whether two handles lead to the same service."""
        return adopting.is_same(one, other)

    def take_over(self, address: str, found: Found, store: Store) -> Mapping[str, Any]:
        """Have the folder of the service stand where that of ``address`` belongs."""
        return adopting.take_over(address, found, store.runtime(address))

    def render(self, deployments: Sequence[Deployment]) -> Mapping[str, str]:
        """Return one JSON file per deployment: what its service is told, apart from what only starting it decides."""
        return {
            f"{deployment.served_as}.json": json.dumps(deployment.model_dump(mode="json"), indent=2, sort_keys=True)
            + "\n"
            for deployment in sorted(deployments, key=lambda item: item.intent)
        }

    def programs(self) -> Mapping[str, str]:
        """Return what a replica's process has in memory when it opens its model, told by one that is like it."""
        from aios_plugins.onnxruntime.measuring import output_of
        from aios_plugins.onnxruntime.system import module_command

        return output_of(module_command("programs"))

    def measure(self, deployment: Deployment, artefact: Artefact, inputs: Tensors, budget_s: float) -> Measurement:
        """Measure one replica's engine, calls back to back."""
        from aios_plugins.onnxruntime.measuring import measure

        return measure(deployment, artefact, inputs, budget_s)

    def measure_by_turns(
        self, settings: Sequence[tuple[Deployment, Artefact]], inputs: Tensors, budget_s: float
    ) -> Sequence[Measurement]:
        """Measure settings of one model, a few calls of each by turns."""
        from aios_plugins.onnxruntime.measuring import measure_by_turns

        return measure_by_turns(settings, inputs, budget_s)

    def samples(self, folder: Path, count: int, seed: int) -> Sequence[Path]:
        """Write small random networks."""
        from aios_plugins.onnxruntime.samples import write_samples

        return write_samples(folder, count, seed)

    def examine(self) -> Sequence[Finding]:
        """Return whether the engine can be imported, and what it can compute on here."""
        from aios_plugins.onnxruntime.examining import examine

        return examine()

    def infer(self, deployment: Deployment, artefact: Artefact, inputs: Tensors) -> Tensors:
        """Return the model's outputs for all items."""
        from aios_plugins.onnxruntime.measuring import infer

        return infer(deployment, artefact, inputs)

    def exercise(self, handle: Mapping[str, Any], load: Exercise) -> Trace:
        """Send the load, from a process of its own, and return what was met."""
        from aios_plugins.onnxruntime.exercising import exercise

        return exercise(handle, load)
