"""Saved plans as files: written with an expiry, signed and encrypted where that is asked for, read back and trusted."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import BadValue, Diagnostic, InputError, UsageError
from aios.records.plan import Plan
from aios.spi.secrets import read_secret
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from aios.spi.keys import KeyPair

__all__ = [
    "Keeping",
    "Trust",
    "finished",
    "is_plan_file",
    "key_ids",
    "make_keys",
    "read_plan_file",
    "see_keeping",
    "text_to_save",
]

_START = b'{\n  "format_version"'
"""The first bytes of a saved plan."""

_LAST_YEAR = 9000
"""Plans expire no later: what lies beyond is a mistake, and no date that all programs can write."""


class Keeping(NamedTuple):
    """How a plan is kept. expires: after how long, or when · sign_key, sign_passphrase, encrypt_key: references"""

    expires: str | None = None
    sign_key: str | None = None
    sign_passphrase: str | None = None
    encrypt_key: str | None = None


class Trust(NamedTuple):
    """What a plan needs to be read and believed. verify_key: file of the public keys of which one must have signed it,
    None where no signature is demanded · decrypt_key: reference to the secret it is encrypted with"""

    verify_key: str | None = None
    decrypt_key: str | None = None


def see_keeping(keeping: Keeping, now: str, *, saved: bool) -> None:
    """Raise what is wrong with ``keeping`` before a long search, not after it. saved: whether a file is written"""
    if keeping.encrypt_key is not None and not saved:
        remedy = "say where to save the plan"
        raise UsageError(
            Diagnostic(
                summary="--encrypt-key encrypts the saved plan, and none is saved", remedy=remedy + ": `-o FILE`"
            )
        )
    if keeping.sign_passphrase is not None and keeping.sign_key is None:
        raise UsageError(Diagnostic(summary="--sign-passphrase opens a signing key, and none is given"))
    if keeping.expires is not None:
        _expiry(keeping.expires, now)
    if keeping.sign_key is not None:
        _signer(keeping)
    if keeping.encrypt_key is not None:
        _sealed("", keeping.encrypt_key)


def finished(plan: Plan, keeping: Keeping, setting: Setting) -> Plan:
    """Return ``plan`` with its expiry and its signature. Raises InputError for a key that cannot be used."""
    from aios.plan import validity, with_id

    if keeping.expires is not None:
        now = setting.now()
        plan = with_id(plan.model_copy(update={"valid": validity(now, _expiry(keeping.expires, now))}))
    if keeping.sign_key is not None:
        from aios.plan.signing import signed

        plan = signed(plan, _signer(keeping))
    return plan


def text_to_save(text: str, keeping: Keeping) -> str:
    """Return the text of a plan as it is saved: itself, or encrypted."""
    return text if keeping.encrypt_key is None else _sealed(text, keeping.encrypt_key)


def is_plan_file(path: str) -> bool:
    """Say whether ``path`` names a saved plan rather than intents: by its ending or, whatever that is, its start."""
    if path.endswith(".json"):
        return True
    from aios.records.envelope import ENVELOPE_START

    try:
        with Path(path).open("rb") as stream:
            start = stream.read(max(len(_START), len(ENVELOPE_START)))
    except OSError:
        return False
    return start.startswith((_START, ENVELOPE_START))


def read_plan_file(path: str, trust: Trust | None = None) -> Plan:
    """Read a saved plan. trust: by default, secrets and public keys that the environment names (AIOS_DECRYPT_KEY)

    Raises InputError if it is missing, damaged, of another major version, encrypted by another secret, or not signed
    as ``trust`` demands.
    """
    from aios.plan import read_plan

    trust = trust or Trust(decrypt_key=os.environ.get("AIOS_DECRYPT_KEY") or None)
    text = _opened(_text_of(path), path, trust)
    plan = read_plan(text, path)
    if trust.verify_key is not None:
        from aios.plan.signing import check_signature
        from aios.spi.keys import public_keys

        check_signature(text, path, public_keys(_public(trust.verify_key), trust.verify_key))
    return plan


def make_keys(path: Path, passphrase: str | None) -> KeyPair:
    """Make a new pair of keys; write the private one to ``path``, for nobody else to read, and ``path``.pub.

    passphrase: a reference to what protects the private key. Raises InputError where one of the files is there.
    """
    from aios.spi.keys import key_pair
    from aios.workflow.saving import save_new

    public = path.with_name(path.name + ".pub")
    there = [str(file) for file in (path, public) if os.path.lexists(file)]
    if there:
        remedy = "take another name: a key that is overwritten is lost, and what it signed can no longer be renewed"
        raise InputError(Diagnostic(summary=f"{' and '.join(there)} is there already", remedy=remedy))
    secret = None if passphrase is None else read_secret(passphrase, "the passphrase of the new key")
    pair = key_pair(os.urandom(32), secret)
    save_new(path, pair.private, 0o600)
    save_new(public, pair.public, 0o644)
    return pair


def key_ids(path: str) -> tuple[str, ...]:
    """Return the ids of the public keys in a file."""
    from aios.spi.keys import public_keys

    return tuple(key.id for key in public_keys(_public(path), path))


def _opened(text: str, path: str, trust: Trust) -> str:
    if not text.lstrip().startswith("{"):
        return text
    from aios.plan.sealing import is_sealed, opened_text

    if not is_sealed(text):
        return text
    secret = None if trust.decrypt_key is None else read_secret(trust.decrypt_key, "the secret of the plan")
    return opened_text(text, secret, path)


def _sealed(text: str, reference: str) -> str:
    from aios.plan.sealing import NONCE_BYTES, SALT_BYTES, sealed

    secret = read_secret(reference, "the secret to encrypt with")
    return sealed(text, secret, os.urandom(NONCE_BYTES), os.urandom(SALT_BYTES))


def _signer(keeping: Keeping) -> Ed25519PrivateKey:
    from aios.spi.keys import private_key

    assert keeping.sign_key is not None
    secret = keeping.sign_passphrase and read_secret(keeping.sign_passphrase, "the passphrase of the signing key")
    return private_key(
        read_secret(keeping.sign_key, "the signing key", path_too=True), secret or None, keeping.sign_key
    )


def _public(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        summary = f"the public key {path} cannot be read"
        raise InputError(Diagnostic(summary=summary, reason=error.strerror, remedy="check the path")) from None


def _expiry(text: str, now: str) -> datetime:
    """Return the instant that ``text`` names, or that lies so long after ``now``. Raises UsageError."""
    from aios.intents import read_instant
    from aios.records.units import Dimension, parse_quantity

    current = datetime.fromisoformat(now)
    try:
        seconds = parse_quantity(text, Dimension.TIME)
        found = current + timedelta(seconds=seconds)
    except (BadValue, OverflowError):
        try:
            found = datetime.fromtimestamp(read_instant(text), UTC)
        except (BadValue, OverflowError, ValueError, OSError):
            found = None
    if found is None or found.year > _LAST_YEAR:
        remedy = "write how long it may wait (`2h`, `30 min`, `3 d`), or until when (`2027-03-01T18:00Z`)"
        raise UsageError(Diagnostic(summary=f"`{text[:80]}` is no expiry", remedy=remedy))
    if found <= current:
        remedy = "name a time to come, such as `2h`"
        raise UsageError(
            Diagnostic(summary=f"a plan that expires at `{text[:80]}` could never be applied", remedy=remedy)
        )
    return found


def _text_of(path: str) -> str:
    try:
        return Path(path).read_bytes().decode()
    except FileNotFoundError:
        remedy = "check the path, or make the plan"
        command = f"aios plan PATH -o {shlex.quote(path)}"
        raise InputError(Diagnostic(summary=f"there is no plan {path}", remedy=remedy, command=command)) from None
    except OSError as error:
        raise InputError(Diagnostic(summary=f"the plan {path} cannot be read", reason=error.strerror)) from None
    except UnicodeDecodeError:
        remedy = "make the plan again"
        raise InputError(Diagnostic(summary=f"{path} is no plan: it is not UTF-8 text", remedy=remedy)) from None
