"""watermark, verify-watermark."""

from __future__ import annotations

import sys
from pathlib import Path

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import Ink, harmless

__all__ = ["verify_watermark", "watermark"]


def watermark(file: Path, out: Path, owner: str, key: str, strength: float | None, *, json: bool) -> int:
    """Mark a model and say what was done."""
    from aios.workflow.watermarking import mark

    report = mark(file, out, owner, key, strength)
    lines = [f"{harmless(str(out))} bears the mark of {harmless(owner)}", *(f"  {k}: {v}" for k, v in report.items())]
    lines.append("  its accuracy is not measured: plan with it and `aios profile`, or compare both files")
    emit("\n".join(lines), {"file": str(out), "owner": owner, "report": report}, json=json)
    return Exit.DONE


def verify_watermark(file: Path, owner: str, key: str, chance: float, *, json: bool) -> int:
    """Say whether a model bears a mark; exits with 5 where it is not found."""
    from aios.workflow.watermarking import find_mark

    found = find_mark(file, owner, key, chance)
    ink = Ink(sys.stdout)
    verdict = ink("found", "green") if found.found else ink("not found", "red")
    lines = [
        f"mark of {harmless(owner)} in {harmless(str(file))}: {verdict}",
        f"  score {found.score:.1f}, {found.needed:.1f} needed; {found.weights} weights of {found.tensors} tensors",
        f"  a model without the mark scores as high with a probability of at most {min(found.chance, 1.0):.2g}",
    ]
    emit("\n".join(lines), found, json=json)
    return Exit.DONE if found.found else Exit.BROKEN
