"""What pictures have in common: the files they go to, and the library that draws them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from aios.records.errors import Diagnostic, InputError, WorldError

__all__ = ["new_figure", "refuse_other_files", "save_figure"]

_FORMATS = (".svg", ".png", ".pdf")


def refuse_other_files(out: Path, more: str = "") -> None:
    """Raise InputError for a file that is no picture's. more: what else could be written, ``, or .graphml for ...``"""
    if out.suffix.lower() not in _FORMATS:
        raise InputError(
            Diagnostic(
                summary=f"no picture can be written to {out}",
                reason=f"its name ends in {out.suffix!r}" if out.suffix else "its name has no ending",
                remedy=f"use one of {', '.join(_FORMATS)}{more}",
            )
        )


def new_figure() -> Any:
    """Return an empty figure of matplotlib; raises WorldError where that is missing."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise WorldError(
            Diagnostic(
                summary="pictures need matplotlib, which is not installed",
                command="pip install 'aios-planner[draw]'",
            )
        ) from error
    mpl.rcParams["svg.hashsalt"] = "aios"  # the same picture is the same file
    mpl.rcParams["text.parse_math"] = False  # a name may hold a dollar sign
    return Figure()


def save_figure(figure: Any, out: Path) -> None:
    """Write a figure to a file, whole or not at all. Raises WorldError."""
    from aios.workflow.saving import save

    picture, kind = io.BytesIO(), out.suffix.lower()
    figure.savefig(picture, format=kind[1:], dpi=130, metadata={"Date": None} if kind == ".svg" else None)
    save(out, picture.getvalue())
