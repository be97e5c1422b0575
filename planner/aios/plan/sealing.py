"""Plans encrypted at rest: AES-256-GCM, by a key of 32 bytes or by one that scrypt makes of a passphrase.

Nonce and salt are passed in. What a hostile envelope asks of scrypt is bounded before it is done.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any

from pydantic import ValidationError

from aios.records.base import Span, canonical_json
from aios.records.envelope import ENVELOPE_KIND, ENVELOPE_VERSION, Envelope, Scrypt
from aios.records.errors import Diagnostic, InputError, WorldError
from aios.spi.keys import MISSING

__all__ = ["NONCE_BYTES", "SALT_BYTES", "is_sealed", "opened_text", "sealed"]

NONCE_BYTES = 12
SALT_BYTES = 16

_SHORTEST_PASSPHRASE = 12
_N, _R, _P = 2**15, 8, 1
"""32 MiB and about 0.1 s: what RFC 7914's successors advise for a secret that is typed in."""
_MOST_N, _MOST_R, _MOST_P = 2**18, 8, 4
_HEAD = 400
"""Characters within which an envelope says what it is, whoever wrote it down again."""
_HEX_KEY = re.compile(rb"[0-9a-fA-F]{64}")


def is_sealed(text: str) -> bool:
    """Say whether ``text`` is an encrypted plan."""
    return text.lstrip().startswith("{") and f'"{ENVELOPE_KIND}"' in text[:_HEAD]


def sealed(text: str, secret: bytes, nonce: bytes, salt: bytes) -> str:
    """Return ``text`` encrypted. secret: 64 hexadecimal digits are a key, anything else is a passphrase.

    Raises InputError for a passphrase that is too short, WorldError where the library is missing.
    """
    if not _HEX_KEY.fullmatch(secret) and len(secret) < _SHORTEST_PASSPHRASE:
        raise InputError(
            Diagnostic(
                summary=f"the secret to encrypt with is shorter than {_SHORTEST_PASSPHRASE} characters",
                remedy="take a key of 32 random bytes, written as 64 hexadecimal digits",
                command="openssl rand -hex 32 > plan.key && chmod 600 plan.key",
            )
        )
    kdf = None if _HEX_KEY.fullmatch(secret) else Scrypt(salt=_base64(salt), n=_N, r=_R, p=_P)
    key = _key(secret, kdf)
    envelope = Envelope(key_id=_key_id(key), kdf=kdf, nonce=_base64(nonce), ciphertext="")
    cipher = _cipher(key).encrypt(nonce, text.encode(), _header(envelope))
    whole = envelope.model_copy(update={"ciphertext": _base64(cipher)})
    return json.dumps(whole.model_dump(mode="json"), indent=2) + "\n"


def opened_text(text: str, secret: bytes | None, file: str) -> str:
    """Return what is encrypted in ``text``.

    Raises InputError for a damaged envelope, one of a later version, a missing or a wrong secret.
    """
    envelope = _envelope(text, file)
    if secret is None:
        raise InputError(
            Diagnostic(
                summary=f"the plan {file} is encrypted",
                reason=f"by the key {envelope.key_id}" + (", made of a passphrase" if envelope.kdf else ""),
                remedy="say where the secret stands: `--decrypt-key env:NAME` or `file:PATH`, or AIOS_DECRYPT_KEY",
            )
        )
    if (envelope.kdf is None) != (_HEX_KEY.fullmatch(secret) is not None):
        kinds = ("a passphrase", "a key (64 hexadecimal digits)")
        wanted, given = kinds if envelope.kdf else kinds[::-1]
        raise InputError(_not_this(file, f"it was encrypted by {wanted}, and {given} was given"))
    key = _key(secret, envelope.kdf)
    if _key_id(key) != envelope.key_id:
        raise InputError(_not_this(file, f"it was encrypted by the key {envelope.key_id}, this one is {_key_id(key)}"))
    return _decrypted(envelope, key, file)


def _decrypted(envelope: Envelope, key: bytes, file: str) -> str:
    opener = _cipher(key)
    from cryptography.exceptions import InvalidTag

    try:
        nonce, cipher = (base64.b64decode(item, validate=True) for item in (envelope.nonce, envelope.ciphertext))
        plain: bytes = opener.decrypt(nonce, cipher, _header(envelope))
        return plain.decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise InputError(
            Diagnostic(
                summary=f"the encrypted plan {file} was changed after it was made, or is damaged",
                reason="its content does not have the seal that it should have under this key",
                remedy="make the plan again",
                command="aios plan PATH -o plan.json --encrypt-key env:NAME",
            )
        ) from None


def _envelope(text: str, file: str) -> Envelope:
    try:
        document: Any = json.loads(text)
        if isinstance(document, dict) and document.get("version") not in (None, ENVELOPE_VERSION):
            raise InputError(
                Diagnostic(
                    summary=f"the plan {file} is encrypted in version {str(document['version'])[:20]}",
                    reason=f"this aios reads version {ENVELOPE_VERSION}",
                    remedy="use the aios that wrote it, or a later one",
                )
            )
        found = Envelope.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from None
    if found.kdf and not _is_sane(found.kdf):
        asked = f"n {found.kdf.n}, r {found.kdf.r}, p {found.kdf.p}"
        raise _damaged(file, f"scrypt with {asked} is not what anybody should have to compute")
    return found


def _is_sane(kdf: Scrypt) -> bool:
    power_of_two = kdf.n > 1 and kdf.n & (kdf.n - 1) == 0
    return power_of_two and kdf.n <= _MOST_N and 0 < kdf.r <= _MOST_R and 0 < kdf.p <= _MOST_P


def _damaged(file: str, reason: str) -> InputError:
    where = Span(file=file, line=1, column=1)
    return InputError(
        Diagnostic(
            summary=f"the encrypted plan {file} is damaged", where=where, reason=reason, remedy="make the plan again"
        )
    )


def _not_this(file: str, reason: str) -> Diagnostic:
    return Diagnostic(
        summary=f"this secret does not open the plan {file}", reason=reason, remedy="name the one that it was made with"
    )


def _key(secret: bytes, kdf: Scrypt | None) -> bytes:
    if kdf is None:
        return bytes.fromhex(secret.decode())
    try:
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt as Derive
    except ImportError as error:
        raise WorldError(MISSING) from error
    try:
        salt = base64.b64decode(kdf.salt, validate=True)
    except (binascii.Error, ValueError):
        salt = b""
    return Derive(salt=salt, length=32, n=kdf.n, r=kdf.r, p=kdf.p).derive(secret)


def _key_id(key: bytes) -> str:
    """Return a name for the key: the key is random or hard to compute, so its digest tells nothing of the secret."""
    return hashlib.sha256(b"aios plan encryption key\n" + key).hexdigest()[:16]


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise WorldError(MISSING) from error
    return AESGCM(key)


def _header(envelope: Envelope) -> bytes:
    return canonical_json(envelope.model_dump(mode="json", exclude={"ciphertext"})).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
