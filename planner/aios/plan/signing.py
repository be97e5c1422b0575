"""Signatures of plans: Ed25519, by the keys of ``aios.spi.keys``.

What is signed is the canonical JSON of the document without its ``id`` and its ``signature``. The id covers the
signature, so that whoever reads plans without knowing of signatures computes the same id.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aios.plan.document import plain_document, with_id
from aios.records.base import canonical_json
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Plan, Signature
from aios.spi.keys import ALGORITHM, PublicKey, key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["check_signature", "signed"]


def signed(plan: Plan, key: Ed25519PrivateKey) -> Plan:
    """Return ``plan`` with its signature by ``key``, and the id that it has then."""
    value = key.sign(_signed_bytes(plain_document(plan)))
    signature = Signature(algorithm=ALGORITHM, key_id=key_id(key.public_key()), value=base64.b64encode(value).decode())
    return with_id(plan.model_copy(update={"signature": signature}))


def check_signature(text: str, file: str, keys: Sequence[PublicKey]) -> str:
    """Return the id of the key in ``keys`` that signed the plan in ``text``, keys that it does not know included.

    Raises InputError for a plan that is not signed, or not by one of them, or was changed after it was signed. That is
    no staleness: planning again would not help, and nothing that such a plan says of itself can be trusted.
    """
    from cryptography.exceptions import InvalidSignature

    document = json.loads(text)
    stated = document.get("signature")
    wanted = ", ".join(f"{key.id} ({key.origin})" for key in keys)
    if not isinstance(stated, dict):
        raise InputError(_refusal(f"the plan {file} is not signed", f"a signature by {wanted} is demanded"))
    if stated.get("algorithm") != ALGORITHM:
        summary = f"the plan {file} is signed in a way that this aios does not know"
        raise InputError(_refusal(summary, f"it knows {ALGORITHM} alone"))
    try:
        value = base64.b64decode(str(stated.get("value")), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    content = _signed_bytes(document)
    for key in keys:
        try:
            key.key.verify(value, content)
        except InvalidSignature:
            continue
        return key.id
    by = str(stated.get("key_id"))[:80]
    if by in [key.id for key in keys]:
        reason = f"it names the key {by}, which did not sign this content: the plan was changed after it was signed"
        raise InputError(_refusal(f"the signature of the plan {file} is wrong", reason))
    raise InputError(_refusal(f"the plan {file} is signed by another key", f"by {by}; wanted {wanted}"))


def _signed_bytes(document: dict[str, Any]) -> bytes:
    return canonical_json({name: value for name, value in document.items() if name not in ("id", "signature")}).encode()


def _refusal(summary: str, reason: str) -> Diagnostic:
    return Diagnostic(
        summary=summary,
        reason=reason,
        remedy="do not apply it; have it made and signed by those who hold the key",
        command="aios plan PATH -o plan.json --sign-key KEY",
    )
