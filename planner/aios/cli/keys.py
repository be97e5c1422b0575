"""Keys and what they vouch for, in words."""

from __future__ import annotations

from pathlib import Path

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import Ink
from aios.records.plan import Plan

__all__ = ["generate", "key_id", "vouched"]


def generate(file: Path, passphrase: str | None, *, json: bool) -> int:
    """Make a pair of keys and say where it is."""
    from aios.workflow.planfiles import make_keys

    pair = make_keys(file, passphrase)
    words = (
        f"key {pair.id}\n  {file}: the private key, {'protected by the passphrase' if passphrase else 'unprotected'}; "
        f"`aios plan --sign-key` signs with it\n  {file}.pub: the public key; `aios apply --verify-key` checks with it"
    )
    emit(words, {"key_id": pair.id, "private": str(file), "public": f"{file}.pub"}, json=json)
    return Exit.DONE


def key_id(file: str, *, json: bool) -> int:
    """Say which public keys a file holds."""
    from aios.workflow.planfiles import key_ids

    found = key_ids(file)
    emit("\n".join(found), {"key_ids": found}, json=json)
    return Exit.DONE


def vouched(plan: Plan, ink: Ink) -> str:
    """Say until when a plan may be applied and who signed it, where that was asked for."""
    lines = []
    if plan.valid is not None:
        lines.append(f"{ink('expires', 'dim')} {plan.valid.expires_at}")
    if plan.signature is not None:
        lines.append(f"{ink('signed', 'dim')} {plan.signature.algorithm}, key {plan.signature.key_id}")
    return "\n".join(lines)
