"""attest: somebody with a key vouches for the prepared models of a plan and for the programs that load them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aios.records.base import canonical_json
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Deployment, Plan
from aios.records.protection import Attestation
from aios.spi.attesting import attestation_of, attestation_path
from aios.spi.executor import Executor, Protecting
from aios.spi.keys import private_key
from aios.spi.secrets import read_secret
from aios.workflow.keeping import artefacts_of
from aios.workflow.saving import save
from aios.workflow.setting import Setting

__all__ = ["Attested", "attest", "trusted_hardware"]

_HARDWARE = ("/dev/tpm0", "/dev/sev-guest", "/dev/tdx_guest")
"""A TPM; what a guest of SEV-SNP, and of TDX, asks for a report of itself."""


class Attested(NamedTuple):
    """What was vouched for. intent: whose · path: where the attestation stands"""

    intent: str
    path: Path
    attestation: Attestation


def trusted_hardware() -> tuple[str, ...]:
    """Return the devices here that could vouch for this machine where its own word is not enough; none is used."""
    return tuple(path for path in _HARDWARE if Path(path).exists())


def attest(plan: Plan, setting: Setting, sign_key: str, passphrase: str | None) -> tuple[Attested, ...]:
    """Prepare every model of ``plan`` that must be signed, and sign what it is and what will load it.

    sign_key, passphrase: references. Raises InputError for a key that cannot be used and a plan without such models,
    WorldError for a model that cannot be prepared.
    """
    secret = read_secret(passphrase, "the passphrase of the signing key") if passphrase else None
    key = private_key(read_secret(sign_key, "the signing key", path_too=True), secret, sign_key)
    store, found = artefacts_of(setting), []
    for deployment, executor in _wanted(plan):
        setting.tell(f"{deployment.intent}: preparing what is to be signed")
        artefact = executor.prepare(deployment, store)
        store.verify(artefact)
        attestation = attestation_of(artefact, _programs(executor), key, setting.now())
        path = attestation_path(Path(artefact.path))
        save(path, canonical_json(attestation) + "\n")
        found.append(Attested(deployment.intent, path, attestation))
    if not found:
        summary = "no intent of this plan requires models that are signed"
        remedy = "write `requires: {signed: true}` in an intent, and plan again"
        raise InputError(Diagnostic(summary=summary, remedy=remedy))
    return tuple(found)


def _wanted(plan: Plan) -> Iterator[tuple[Deployment, Executor]]:
    from aios.spi import registry

    executors = registry.load_all("aios.executors")
    for action in plan.actions:
        after = action.after
        if after is None or after.protection is None or not after.protection.signed:
            continue
        executor = executors.get(after.executor)
        if executor is None:
            raise InputError(f"executor {after.executor}, which {after.intent} is planned for, is not installed here")
        yield after, executor


def _programs(executor: Executor) -> Mapping[str, str]:
    return executor.programs() if isinstance(executor, Protecting) else {}
