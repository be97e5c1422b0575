"""Whether somebody who is trusted has vouched for an artefact; asked before a service is touched, and by it again."""

from __future__ import annotations

from pathlib import Path

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Deployment
from aios.spi.attesting import attestation_path, checked_attestation
from aios.spi.executor import Artefact
from aios.spi.keys import public_keys

__all__ = ["attested", "attested_of"]


def attested_of(deployment: Deployment, artefact: Artefact) -> dict[str, str] | None:
    """Return what must be signed and by whom, as a spec says it; None where nothing must be.

    Raises InputError where no public key is named.
    """
    protection = deployment.protection
    if protection is None or not protection.signed:
        return None
    if protection.verify_key is None:
        remedy = "write `security: {verify_key: FILE}`"
        summary = f"{deployment.intent} requires a signature and names no public key"
        raise InputError(Diagnostic(summary=summary, remedy=remedy))
    demanded = {"verify_key": str(Path(protection.verify_key).absolute()), "digest": artefact.digest}
    return {**demanded, "programs": "yes"} if protection.attested else demanded


def attested(folder: str, demanded: dict[str, str] | None) -> dict[str, str] | None:
    """Return what a worker is told of the attestation of the artefact in ``folder``, once that is found to be of these
    files and by a right key; None where its own programs need not be attested.

    Raises InputError for a file of keys that is none, WorldError for anything else that is wrong.
    """
    if demanded is None:
        return None
    path = Path(demanded["verify_key"])
    try:
        keys = public_keys(path.read_bytes(), str(path))
    except OSError as error:
        summary = f"the public keys {path} cannot be read"
        raise InputError(Diagnostic(summary=summary, reason=error.strerror, remedy="check the path")) from None
    found = checked_attestation(Path(folder), demanded["digest"], keys)
    if "programs" not in demanded:
        return None
    return {"attestation": str(attestation_path(Path(folder))), "digest": digest_of(found)}
