"""The dryrun executor: the world it changes is a folder of files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from aios.records.base import digest_of
from aios.records.candidate import Candidate
from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.fleet import DeviceType
from aios.records.measurement import Measurement
from aios.records.model import ModelProfile
from aios.records.plan import Action, Deployment
from aios.records.protection import PROTECTIONS, ProtectionName
from aios.spi.executor import (
    API_VERSION,
    Artefact,
    Exercise,
    Found,
    Hint,
    Journal,
    Observation,
    Outcome,
    Refusal,
    Store,
    Tensors,
    Trace,
)

__all__ = ["Executor"]

_MARK = "standing.json"


class Executor:
    """Carries out by writing files; needs no engine, no device and no network, and reaches every node."""

    name: ClassVar[str] = "dryrun"
    api_version: ClassVar[int] = API_VERSION
    in_place: ClassVar[frozenset[str]] = frozenset(Deployment.model_fields) - {"executor", "serve"}
    protects: ClassVar[frozenset[ProtectionName]] = frozenset(PROTECTIONS)

    def engine(self) -> str:
        """Return that nothing computes."""
        return "dryrun"

    def programs(self) -> Mapping[str, str]:
        """Return that nothing loads anything."""
        return {}

    def can(self, candidate: Candidate, device: DeviceType, model: ModelProfile) -> Refusal | None:  # noqa: ARG002 - the protocol's names
        """Refuse nothing: what is only written down can be written for any device."""
        return None

    def validate(self, action: Action) -> Sequence[Diagnostic]:
        """Return nothing but a mistake in the action itself."""
        if action.action != "delete" and action.after is None:
            return [
                Diagnostic(summary=f"the action {action.action!r} on {action.address} does not say what shall stand")
            ]
        return []

    def prepare(self, deployment: Deployment, store: Store) -> Artefact:
        """Return an artefact that holds the description of the deployment's model instead of the model."""
        recipe = {
            "executor": self.name,
            "model": deployment.model_digest,
            "precision": deployment.precision,
            "quantization": deployment.quantization,
        }
        text = json.dumps(recipe, indent=2, sort_keys=True) + "\n"

        def build(folder: Path) -> None:
            (folder / "model.json").write_text(text, encoding="utf-8")

        return store.fetch(recipe, build)

    def carry_out(self, action: Action, prior: Mapping[str, Any] | None, journal: Journal, store: Store) -> Outcome:  # noqa: ARG002 - the protocol's names
        """Write, or remove, the files of the address. Raises InputError for a bad action, WorldError for a bad disk."""
        found = self.validate(action)
        if found:
            raise InputError(*found)
        runtime = store.runtime(action.address)
        journal.note("writing" if action.after else "removing", runtime=str(runtime))
        try:
            if action.action == "delete" or action.after is None:
                shutil.rmtree(runtime, ignore_errors=not runtime.exists())
                return Outcome(address=action.address, handle=None, note="its files are removed")
            if action.moved_from is not None:
                _rename(store.runtime(action.moved_from), runtime)
            self._write(runtime, action.after)
        except OSError as error:
            raise WorldError(f"cannot change {runtime}: {error.strerror or error}") from error
        return Outcome(
            address=action.address, handle={"runtime": str(runtime)}, note=f"written to {runtime}; nothing runs"
        )

    def _write(self, runtime: Path, deployment: Deployment) -> None:
        """Write the files, the mark last and in one step: what has a mark is whole."""
        runtime.mkdir(parents=True, exist_ok=True)
        for name, text in self.render([deployment]).items():
            (runtime / name).write_text(text, encoding="utf-8")
        part = runtime / f"{_MARK}.part"
        mark = {"deployment": digest_of(deployment), "replicas": deployment.replicas}
        part.write_text(json.dumps(mark, sort_keys=True), encoding="utf-8")
        part.replace(runtime / _MARK)
        for left in runtime.glob("*.json"):
            if left.name not in (f"{deployment.served_as}.json", _MARK):
                left.unlink()

    def observe(self, address: str, handle: Mapping[str, Any] | None) -> Observation:
        """Read the mark."""
        if handle is None or not (Path(str(handle.get("runtime"))) / _MARK).exists():
            return Observation(address=address, condition="absent", detail="no files stand for it")
        path = Path(handle["runtime"]) / _MARK
        try:
            mark = json.loads(path.read_bytes())
            return Observation(
                address=address,
                condition="written",
                detail=f"nothing runs: its files are in {path.parent}",
                deployment_digest=mark["deployment"],
                replicas_ready=mark["replicas"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Observation(address=address, condition="dead", detail=f"{path} cannot be read: {error}")

    def find(self, address: str, hint: Hint, store: Store) -> Found:
        """Return the files that stand in a folder, proved by the digest that their mark bears. Raises InputError."""
        if hint.endpoint is not None:
            raise InputError(Diagnostic(summary="nothing of the dryrun executor answers anywhere", remedy="--folder"))
        named = hint.folder or (hint.handle or {}).get("runtime")
        own = store.runtime(address)
        folder = Path(str(named)).absolute() if named else own
        try:
            mark = json.loads((folder / _MARK).read_bytes())
            (file,) = (file for file in folder.glob("*.json") if file.name != _MARK)
            deployment = Deployment.model_validate_json(file.read_bytes())
            proved = mark["deployment"] == digest_of(deployment)
        except (OSError, ValueError, KeyError, TypeError) as error:
            summary = f"{folder} holds nothing that the dryrun executor wrote"
            raise InputError(Diagnostic(summary=summary, reason=str(error))) from None
        finally:
            with suppress(OSError):
                own.rmdir()  # it was made by asking for it
        if not proved:
            summary = f"{folder} does not hold what its mark says"
            raise InputError(Diagnostic(summary=summary, reason=f"{file.name} has another digest"))
        note = "its mark bears the digest of what is written there"
        return Found(handle={"runtime": str(folder)}, deployment=deployment, folder=str(folder), note=note)

    def is_same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Say whether two handles lead to the same folder."""
        return one.get("runtime") == other.get("runtime")

    def take_over(self, address: str, found: Found, store: Store) -> Mapping[str, Any]:
        """Bring the files to where those of ``address`` belong."""
        folder, runtime = Path(found.folder), store.runtime(address)
        if folder.resolve() != runtime.resolve():
            if (runtime / _MARK).exists():
                raise InputError(Diagnostic(summary=f"{runtime} holds the files of something else"))
            try:
                folder.rename(runtime)
            except OSError as error:
                summary = f"{folder} cannot be brought to {runtime}"
                raise InputError(Diagnostic(summary=summary, reason=error.strerror)) from None
        return {"runtime": str(runtime)}

    def render(self, deployments: Sequence[Deployment]) -> Mapping[str, str]:
        """Return one JSON file per deployment."""
        return {
            f"{item.served_as}.json": json.dumps(item.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
            for item in sorted(deployments, key=lambda item: item.intent)
        }

    def measure(
        self,
        deployment: Deployment,
        artefact: Artefact,  # noqa: ARG002 - the protocol's names
        inputs: Tensors,  # noqa: ARG002 - the protocol's names
        budget_s: float,  # noqa: ARG002 - the protocol's names
    ) -> Measurement:
        """Raise InputError: nothing runs."""
        _nothing_runs(deployment.intent)

    def infer(self, deployment: Deployment, artefact: Artefact, inputs: Tensors) -> Tensors:  # noqa: ARG002 - the protocol's names
        """Raise InputError: nothing runs."""
        _nothing_runs(deployment.intent)

    def exercise(self, handle: Mapping[str, Any], load: Exercise) -> Trace:  # noqa: ARG002 - the protocol's names
        """Raise InputError: nothing runs."""
        _nothing_runs(str(handle.get("runtime")))


def _rename(before: Path, runtime: Path) -> None:
    """Have the files that stand in ``before`` stand in ``runtime``, unless some do already."""
    if not (before / _MARK).exists():
        before.rmdir()
    elif not (runtime / _MARK).exists():
        before.rename(runtime)


def _nothing_runs(what: str) -> NoReturn:
    raise InputError(
        Diagnostic(
            summary=f"{what} cannot be measured: the dryrun executor runs nothing",
            remedy="pin another executor in the intent",
            command="aios plugins",
        )
    )
