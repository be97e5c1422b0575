"""explain, in words and bars."""

from __future__ import annotations

import sys
from pathlib import Path

from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.planning import code_of, plan_words
from aios.cli.progress import Progress
from aios.cli.words import Ink, harmless, table
from aios.records.explanation import Account, Explanation, Piece
from aios.records.objective import ShadowValue
from aios.records.units import Dimension, format_quantity
from aios.workflow.setting import Setting

__all__ = ["explain"]

_BAR = 24
"""Characters of the longest possible bar."""
_DIMENSIONS = {"s": Dimension.TIME, "B": Dimension.BYTES, "W": Dimension.POWER}
_OF_DEMANDS_ALONE = (
    "stated demands take what they say: there is no estimate to take apart\n"
    "next: `aios plan` says where they stand, `aios candidates` where they might"
)
_INKS = {"compute": "green", "memory": "cyan", "network": "yellow", "overhead": "red"}


def explain(setting: Setting, *, json: bool, json_into: Path | None) -> int:
    """Print where the time, memory and watts of each choice go; of intents that cannot be met, why."""
    from dataclasses import replace

    from aios.workflow.explaining import explain as work

    with Progress("explain", quiet=json) as progress:
        found = work(replace(setting, tell=progress.doing))
    words = ""
    if not json:
        ink = Ink(sys.stdout)
        lost = found.planned.plan.conflict is not None
        blocks = [plan_words(found.planned)] if lost else []
        blocks += [_explanation(item, ink, "the nearest miss, " if lost else "") for item in found.explanations]
        blocks += [_binding(found.binding, ink)] * bool(found.binding)
        if not blocks:
            blocks.append(_OF_DEMANDS_ALONE)
        words = "\n\n".join(blocks)
    document = {
        "status": found.planned.plan.status,
        "explanations": found.explanations,
        "binding": found.binding,
    }
    emit(words, document, json=json, json_into=json_into)
    code = code_of(found.planned.plan)
    return code if code != Exit.CHANGES else Exit.DONE


def _binding(values: tuple[ShadowValue, ...], ink: Ink) -> str:
    """Say what 1 % more of each budget would be worth."""
    lines = [ink("budgets, and what 1 % more of each would be worth", "bold")]
    for item in values:
        bound = metric_text(item.metric, item.bound)
        gain = "nothing" if item.gain <= 0 else f"{item.gain:.4g} {item.unit} in `{item.goal}`"
        lines.append(f"  {item.metric} <= {bound}: {gain}  {ink(str(item.where), 'dim')}")
    return "\n".join(lines)


def _explanation(item: Explanation, ink: Ink, which: str) -> str:
    head = f"{ink(harmless(item.intent), 'bold')}: {which}{item.candidate}"
    blocks = [head, *(_account(account, ink) for account in item.accounts)]
    blocks += [ink(f"not explained: {text}", "dim") for text in item.unknown]
    return "\n\n".join(blocks)


def _account(account: Account, ink: Ink) -> str:
    name = f" ({account.metric})" if account.metric else ""
    lines = [f"{account.of}{name}: {_quantity(account.total, account.unit)}, {account.source}"]
    bound = any(piece.bound for piece in account.pieces)
    rows = [_row(piece, account, ink)[: 5 if bound else 4] for piece in account.pieces]
    heading = ["  PART", "TAKES", "SHARE", "", "BOUND BY"][: 5 if bound else 4]
    lines += table(heading, rows, ink).splitlines()
    lines.append(ink(f"  {account.basis}", "dim"))
    return "\n".join(lines)


def _row(piece: Piece, account: Account, ink: Ink) -> list[str]:
    share = piece.value / account.total if account.total else 0.0
    bound = ink(piece.bound, _INKS[piece.bound]) if piece.bound else ""
    return [f"  {piece.name}", _quantity(piece.value, account.unit), f"{share:.1%}", _bar(share), bound]


def _bar(share: float) -> str:
    full = round(share * _BAR)
    return "█" * full if full else "▏"


def _quantity(value: float, unit: str) -> str:
    return format_quantity(value, _DIMENSIONS[unit])
