"""What a document looks like while it is encrypted."""

from typing import Literal

from aios.records.base import Record

__all__ = ["ENVELOPE_KIND", "ENVELOPE_START", "ENVELOPE_VERSION", "Envelope", "Scrypt"]

ENVELOPE_KIND = "aios-encrypted-plan"
ENVELOPE_START = b'{\n  "kind": "' + ENVELOPE_KIND.encode()
"""The first bytes of an encrypted document, as it is written."""
ENVELOPE_VERSION = 1
"""Version of the envelope: another one is refused, as nothing of it may be guessed."""


class Scrypt(Record):
    """How the key was made of a passphrase (RFC 7914). salt: base64 · n: cost, a power of two · r, p: as there"""

    name: Literal["scrypt"] = "scrypt"
    salt: str
    n: int
    r: int
    p: int


class Envelope(Record):
    """An encrypted document. All but ``ciphertext`` is authenticated with it.

    cipher: as NIST SP 800-38D has it · key_id: tells keys apart, and nothing about them · kdf: None where the secret is
    a key itself · nonce, ciphertext: base64
    """

    kind: Literal["aios-encrypted-plan"] = "aios-encrypted-plan"
    version: Literal[1] = 1
    cipher: Literal["AES-256-GCM"] = "AES-256-GCM"
    key_id: str
    kdf: Scrypt | None = None
    nonce: str
    ciphertext: str
