"""Attestations of prepared models: made by whoever holds the key, demanded before a service loads anything.

One stands beside an artefact's folder in the store. What the loading process has in memory is told by the plugin that
loads; here it is compared. A process that lies about itself is not found out: that takes hardware (a TPM, SEV, TDX).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from aios.records.base import canonical_json
from aios.records.errors import Diagnostic, WorldError
from aios.records.protection import Attestation
from aios.spi.executor import Artefact
from aios.spi.keys import ALGORITHM, PublicKey, key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["attestation_of", "attestation_path", "check_runtime", "checked_attestation"]

_MOST_BYTES = 16 << 20
_MOST_NAMED = 8


def attestation_path(artefact_folder: Path) -> Path:
    """Return where the attestation of an artefact stands: beside the folder of its files."""
    return artefact_folder.parent / "attestation.json"


def attestation_of(artefact: Artefact, runtime: Mapping[str, str], key: Ed25519PrivateKey, made_at: str) -> Attestation:
    """Return the signed statement that ``artefact`` may be loaded by ``runtime``."""
    bare = Attestation(
        artefact=artefact.digest,
        recipe=dict(artefact.recipe),
        runtime=dict(runtime),
        made_at=made_at,
        algorithm=ALGORITHM,
        key_id=key_id(key.public_key()),
    )
    value = base64.b64encode(key.sign(canonical_json(bare).encode())).decode()
    return bare.model_copy(update={"signature": value})


def checked_attestation(folder: Path, digest: str, keys: Sequence[PublicKey]) -> Attestation:
    """Return the attestation of the artefact in ``folder``, whose files have ``digest``.

    Raises WorldError where there is none, it is damaged, signed by none of ``keys``, or of other files.
    """
    from cryptography.exceptions import InvalidSignature

    path = attestation_path(folder)
    found = _read(path)
    content = canonical_json(found.model_copy(update={"signature": ""})).encode()
    try:
        value = base64.b64decode(found.signature, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    for key in keys:
        try:
            key.key.verify(value, content)
        except InvalidSignature:
            continue
        break
    else:
        wanted = ", ".join(f"{key.id} ({key.origin})" for key in keys)
        if found.key_id in [key.id for key in keys]:
            raise _refused(path, "was changed after it was signed", f"it names the key {found.key_id}")
        raise _refused(path, "is signed by another key", f"by {found.key_id}; wanted {wanted}")
    if found.artefact != digest:
        raise _refused(path, "is of other files", f"it vouches for {found.artefact}; those beside it have {digest}")
    return found


def check_runtime(attested: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise ValueError that names what of ``found`` is not as attested, and how.

    What was attested and is not in memory does no harm.
    """
    differing = list(_differing(attested, found))
    if differing:
        more = f"; and {len(differing) - _MOST_NAMED} more" if len(differing) > _MOST_NAMED else ""
        what = "; ".join(differing[:_MOST_NAMED])
        raise ValueError(f"the programs that would load the model are not those that were attested: {what}{more}")


def _differing(attested: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(found.items()):
        if name not in attested:
            yield f"{name}: not attested"
        elif attested[name] != value:
            yield f"{name}: expected {attested[name]}, found {value}"


def _read(path: Path) -> Attestation:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
    except FileNotFoundError:
        raise _refused(path, "is missing", "nobody has signed what would be loaded") from None
    except OSError as error:
        raise _refused(path, "cannot be read", error.strerror or str(error)) from None
    try:
        return Attestation.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise _refused(path, "is damaged", f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _refused(path: Path, what: str, reason: str) -> WorldError:
    return WorldError(
        Diagnostic(
            summary=f"the attestation {path} {what}: nothing is loaded",
            reason=reason,
            remedy="have the artefact examined and attested by whoever holds the key",
            command="aios model attest plan.json --sign-key KEY",
        )
    )
