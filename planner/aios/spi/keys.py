"""Keys: Ed25519 (RFC 8032) as PEM files hold them (PKCS #8 and SubjectPublicKeyInfo, RFC 8410).

They sign plans and attestations. The library behind is imported when a key is used, not before.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic, InputError, WorldError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["ALGORITHM", "MISSING", "KeyPair", "PublicKey", "key_id", "key_pair", "private_key", "public_keys"]

ALGORITHM = "Ed25519"
_KEY_ID_DIGITS = 16
_END_OF_PEM = b"-----END PUBLIC KEY-----"

MISSING = Diagnostic(
    summary="signing and encrypting need `cryptography`, which is not installed",
    command="pip install 'aios-planner[signing]'",
)


class PublicKey(NamedTuple):
    """A key to verify with. origin: what it was called where it was given"""

    id: str
    key: Ed25519PublicKey
    origin: str


class KeyPair(NamedTuple):
    """A new pair, as PEM text. private: encrypted where a passphrase was given"""

    id: str
    private: bytes
    public: bytes


def key_pair(seed: bytes, passphrase: bytes | None) -> KeyPair:
    """Return the pair of a seed of 32 random bytes. Raises WorldError where the library is missing."""
    try:
        from cryptography.hazmat.primitives import serialization as forms
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise WorldError(MISSING) from error
    key = Ed25519PrivateKey.from_private_bytes(seed)
    cover = forms.BestAvailableEncryption(passphrase) if passphrase else forms.NoEncryption()
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, cover)
    public = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(key_id(key.public_key()), private, public)


def private_key(pem: bytes, passphrase: bytes | None, origin: str) -> Ed25519PrivateKey:
    """Return the key in ``pem``. Raises InputError for what is none, or needs another passphrase."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise WorldError(MISSING) from error
    try:
        found = load_pem_private_key(pem, passphrase)
    except TypeError:
        raise InputError(_passphrase(origin, given=passphrase is not None)) from None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase is not None and b"ENCRYPTED" in pem:
            raise InputError(Diagnostic(summary=f"the passphrase does not open the signing key {origin}")) from None
        raise InputError(_no_key(origin, "private", b"PUBLIC KEY" in pem)) from None
    if not isinstance(found, Ed25519PrivateKey):
        raise InputError(_other_kind(origin, type(found).__name__))
    return found


def public_keys(pem: bytes, origin: str) -> tuple[PublicKey, ...]:
    """Return every public key in ``pem``: any of them may have signed. Raises InputError for what is none."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise WorldError(MISSING) from error
    if b"PRIVATE KEY" in pem:
        raise InputError(_no_key(origin, "public", other=True))
    found = []
    parts = pem.split(_END_OF_PEM)
    for part in parts[:-1] or parts:
        try:
            key = load_pem_public_key(part.lstrip() + _END_OF_PEM + b"\n")
        except (ValueError, UnsupportedAlgorithm):
            raise InputError(_no_key(origin, "public")) from None
        if not isinstance(key, Ed25519PublicKey):
            raise InputError(_other_kind(origin, type(key).__name__))
        found.append(PublicKey(key_id(key), key, origin))
    return tuple(found)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the first digits of the SHA-256 of the key's SubjectPublicKeyInfo, as `openssl` can compute it."""
    from cryptography.hazmat.primitives import serialization as forms

    data = key.public_bytes(forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()[:_KEY_ID_DIGITS]


def _no_key(origin: str, kind: str, other: bool = False) -> Diagnostic:
    have = {"private": "public", "public": "private"}[kind] if other else None
    return Diagnostic(
        summary=f"{origin} holds no {kind} key",
        reason=f"it holds a {have} key" if have else "it is no PEM text of one, or is damaged",
        remedy=f"name the file of the {kind} key; a new pair is made with",
        command="aios key generate deploy.pem",
    )


def _other_kind(origin: str, kind: str) -> Diagnostic:
    return Diagnostic(
        summary=f"the key {origin} is no {ALGORITHM} key",
        reason=f"it is of the kind {kind.strip('_').removesuffix('PrivateKey').removesuffix('PublicKey')}",
        remedy="make one for plans",
        command="aios key generate deploy.pem",
    )


def _passphrase(origin: str, given: bool) -> Diagnostic:
    if given:
        summary = f"the signing key {origin} has no passphrase, and one was given"
        return Diagnostic(summary=summary, remedy="leave it out")
    return Diagnostic(
        summary=f"the signing key {origin} is protected by a passphrase",
        remedy="say where it stands: `--sign-passphrase env:NAME` or `file:PATH`",
    )
