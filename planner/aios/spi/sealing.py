"""Files encrypted at rest: AES-256-GCM in chunks, so that large ones stream and every byte is checked before its use.

The chunks are the segments of STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance, CRYPTO 2015, section 7): the nonce of each is a random prefix, its number and whether it
is the last, so that none can be left out, repeated, put elsewhere or cut off behind. Each file has a key of its own,
made from the given one and a random salt by HKDF with SHA-256 (RFC 5869), so that prefixes need not be unique over all
files under one key. Every chunk is bound to the header, to the file's name and to ``context``: what it belongs to.

    aios-sealed-1 LF | length of the header, 4 bytes, big-endian | header, canonical JSON | chunks, each with its 16
    bytes of tag

Nothing here reads a clock, an environment or random numbers; where the plain content goes is the caller's to say.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

from aios.spi.refusing import input_error, world_error
from aios.spi.secrets import read_secret
from aios.spi.vault import SUFFIX

if TYPE_CHECKING:
    from aios.records.errors import WorldError
    from aios.records.plan import Deployment
    from aios.spi.executor import Source

__all__ = [
    "CHUNK_BYTES",
    "Key",
    "in_full",
    "is_sealed",
    "key_of",
    "key_reference",
    "repeatable",
    "seal",
    "sealing_key",
    "source_of",
    "unseal",
]

CHUNK_BYTES = 1 << 20
"""Plain bytes of a chunk. The tag and the call cost 0.1 % of it; a reader holds one chunk and no more."""

_MAGIC = b"aios-sealed-1\n"
_ALGORITHM = "AES-256-GCM-STREAM"
_INFO = b"aios sealed file 1"
_REPEATABLE = b"aios salt of a sealed file 1"
_LENGTH = struct.Struct(">I")
_NONCE = struct.Struct(">7sI?")
_TAG_BYTES = 16
_PREFIX_BYTES, _SALT_BYTES = 7, 32
_MOST_HEADER_BYTES = 4096
_MOST_CHUNK_BYTES = 64 << 20
_HEX_KEY = re.compile(rb"[0-9a-fA-F]{64}")


class Key(NamedTuple):
    """A key of 32 random bytes. id: names it and tells nothing of it · origin: the reference that led to it"""

    id: str
    value: bytes
    origin: str

    def __repr__(self) -> str:
        return f"Key({self.id!r})"


class _Header(NamedTuple):
    text: bytes
    key_id: str
    salt: bytes
    prefix: bytes
    chunk_bytes: int
    size: int


def sealing_key(reference: str) -> Key:
    """Return the key that ``reference`` (``env:NAME``, ``file:PATH``) leads to: 64 hexadecimal digits.

    Raises InputError where it leads nowhere or to something else.
    """
    return key_of(read_secret(reference, "the key that models are encrypted with"), reference)


def key_reference(deployment: Deployment) -> str | None:
    """Return where the key stands that a deployment's files are encrypted with, a path in full; None for plain ones.

    Raises InputError where the deployment names none.
    """
    protection = deployment.protection
    if protection is None or not protection.encrypted:
        return None
    if protection.key is None:
        remedy = "write `security: {key: env:NAME}`, or `file:PATH`"
        raise input_error(f"{deployment.intent} requires encryption and names no key", remedy=remedy)
    return in_full(protection.key)


def in_full(reference: str) -> str:
    """Return the reference to a key with a path in full, for processes that run elsewhere."""
    scheme, _, name = reference.partition(":")
    return f"file:{Path(name).absolute()}" if scheme == "file" else reference


def source_of(deployment: Deployment) -> Source:
    """Return a deployment's own model file, and what opens it where a model store holds it encrypted.

    Raises InputError where it is encrypted and the deployment names no key.
    """
    from aios.spi.executor import Source

    path = Path(deployment.model_path).absolute()
    if path.suffix != SUFFIX:
        return Source(path, deployment.model_digest)
    key = key_reference(deployment)
    if key is None:
        remedy = "write `requires: {encrypted: true}` and `security: {key: env:NAME}`, or `file:PATH`"
        raise input_error(f"{path} is encrypted, and its intent names no key", remedy=remedy)
    return Source(path.with_suffix(""), deployment.model_digest, {"key": key, "context": deployment.model_digest})


def key_of(secret: bytes, origin: str) -> Key:
    """Return the key that 64 hexadecimal digits write. Raises InputError for anything else."""
    if not _HEX_KEY.fullmatch(secret):
        raise input_error(
            f"{origin} holds no key to encrypt models with",
            reason=f"that is 32 bytes, written as 64 hexadecimal digits; this has {len(secret)} characters",
            remedy="make one, for nobody else to read",
            command="(umask 077; openssl rand -hex 32 > model.key)",
        )
    value = bytes.fromhex(secret.decode())
    return Key(hashlib.sha256(b"aios model encryption key\n" + value).hexdigest()[:16], value, origin)


def is_sealed(start: bytes) -> bool:
    """Say whether a file that begins so is encrypted here."""
    return start.startswith(_MAGIC)


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


def seal(
    source: Readable, size: int, target: BinaryIO, key: Key, name: str, context: str, random: Callable[[int], bytes]
) -> None:
    """Write ``size`` bytes of ``source`` to ``target``, encrypted.

    name, context: as they must be given again to read it · random: returns so many random bytes. Raises ValueError
    where the source is shorter.
    """
    from aios.records.base import canonical_json

    salt, prefix = random(_SALT_BYTES), random(_PREFIX_BYTES)
    fields = {
        "algorithm": _ALGORITHM,
        "bytes": size,
        "chunk_bytes": CHUNK_BYTES,
        "key_id": key.id,
        "prefix": prefix.hex(),
        "salt": salt.hex(),
    }
    text = canonical_json(fields).encode()
    header = _Header(text, key.id, salt, prefix, CHUNK_BYTES, size)
    target.write(_MAGIC + _LENGTH.pack(len(text)) + text)
    cipher, bound = _cipher(key, header), _bound(header, name, context)
    for number, start in enumerate(range(0, max(size, 1), CHUNK_BYTES)):
        length = min(CHUNK_BYTES, size - start)
        chunk = source.read(length)
        if len(chunk) != length:
            raise ValueError(f"{name} is shorter than the {size} bytes that it should have")
        target.write(cipher.encrypt(_NONCE.pack(prefix, number, start + length == size), chunk, bound))


def repeatable(key: Key, name: str, context: str, digest: str) -> Callable[[int], bytes]:
    """Return what stands in for random bytes when a file is sealed, so that equal content gives equal bytes.

    digest: sha256 of the plain content; with another one everything differs, so that no nonce meets two contents. It
    tells who has two files whether they are the same, and nothing else.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    told = hashlib.sha256(b"\0".join((name.encode(), context.encode(), digest.encode()))).digest()
    made = io.BytesIO(HKDF(SHA256(), _SALT_BYTES + _PREFIX_BYTES, None, _REPEATABLE + told).derive(key.value))
    return made.read


def unseal(
    source: BinaryIO, name: str, context: str, key: Key, allocate: Callable[[int], memoryview], where: str = ""
) -> memoryview:
    """Return the plain content of an encrypted file in what ``allocate`` gives for its size in bytes.

    where: the file's place, for messages. Raises InputError for another key, WorldError for a file that is not what was
    written: cut, with chunks changed, left out or in another order, of another name or another context. What was
    allocated holds nothing that was not authenticated, but may be half filled then.
    """
    place = where or name
    header = _read_header(source, place)
    if header.key_id != key.id:
        raise input_error(
            f"{place} is encrypted by another key",
            reason=f"by {header.key_id}; {key.origin} leads to {key.id}",
            remedy="name the key that it was encrypted with; or have the file made anew by this one",
        )
    _check_length(source, header, place)
    cipher, bound = _cipher(key, header), _bound(header, name, context)
    plain = allocate(header.size)
    for number, start in enumerate(range(0, max(header.size, 1), header.chunk_bytes)):
        end = min(start + header.chunk_bytes, header.size)
        nonce = _NONCE.pack(header.prefix, number, end == header.size)
        _open(cipher, nonce, source.read(end - start + _TAG_BYTES), bound, plain[start:end], place, number)
    return plain


def _check_length(source: BinaryIO, header: _Header, place: str) -> None:
    """See that as many bytes follow as the header tells of, so that a forged one makes nobody allocate its number."""
    chunks = max(1, -(-header.size // header.chunk_bytes))
    begin = source.tell()
    found, told = source.seek(0, io.SEEK_END) - begin, header.size + chunks * _TAG_BYTES
    source.seek(begin)
    if found != told:
        raise _damaged(place, f"{found} bytes follow its header, which tells of {told}")


def _open(cipher: Any, nonce: bytes, chunk: bytes, bound: bytes, into: memoryview, place: str, number: int) -> None:
    from cryptography.exceptions import InvalidTag

    try:
        if len(chunk) != len(into) + _TAG_BYTES:
            raise _damaged(place, f"it ends within chunk {number}")
        if hasattr(cipher, "decrypt_into"):  # of cryptography 47 on; it saves a copy
            cipher.decrypt_into(nonce, chunk, bound, into)
        else:
            into[:] = cipher.decrypt(nonce, chunk, bound)
    except InvalidTag:
        raise _damaged(place, f"chunk {number} is not what was written there under this key") from None


def _read_header(source: BinaryIO, place: str) -> _Header:
    magic = source.read(len(_MAGIC))
    if magic != _MAGIC:
        raise _damaged(place, "it does not begin as an encrypted file does")
    try:
        (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
        text = source.read(length) if length <= _MOST_HEADER_BYTES else b""
        fields = json.loads(text)
        if fields["algorithm"] != _ALGORITHM:
            raise _damaged(place, f"it is encrypted by {str(fields['algorithm'])[:40]}, which this aios does not know")
        salt, prefix = bytes.fromhex(fields["salt"]), bytes.fromhex(fields["prefix"])
        header = _Header(text, str(fields["key_id"]), salt, prefix, int(fields["chunk_bytes"]), int(fields["bytes"]))
        chunks = 0 < header.chunk_bytes <= _MOST_CHUNK_BYTES and header.size <= header.chunk_bytes << 32
        if len(salt) != _SALT_BYTES or len(prefix) != _PREFIX_BYTES or header.size < 0 or not chunks:
            raise ValueError
    except (struct.error, ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(place, "its header cannot be read") from None
    return header


def _damaged(place: str, reason: str) -> WorldError:
    return world_error(
        f"the encrypted file {place} was changed after it was made, or is damaged",
        reason=reason,
        remedy="see who may write there; remove it and have it made anew",
    )


def _cipher(key: Key, header: _Header) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError as error:
        from aios.records.errors import WorldError
        from aios.spi.keys import MISSING

        raise WorldError(MISSING) from error
    return AESGCM(HKDF(SHA256(), 32, header.salt, _INFO).derive(key.value))


def _bound(header: _Header, name: str, context: str) -> bytes:
    """Return what every chunk authenticates beside itself; a short one, as it is hashed again for each."""
    return hashlib.sha256(b"\0".join((header.text, name.encode(), context.encode()))).digest()
