"""Options that several commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aios.workflow.setting import PARALLELISM, Effort, Setting

__all__ = [
    "PARALLELISM",
    "PROFILES",
    "STATE",
    "Every",
    "Fleet",
    "HowHard",
    "Json",
    "JsonInto",
    "KeepOthers",
    "Parallelism",
    "Paths",
    "Profiles",
    "State",
    "Yes",
    "setting_of",
    "to_write",
]

STATE = Path(".aios/state.json")
PROFILES = Path("profiles")

Fleet = Annotated[
    str | None,
    typer.Option("--fleet", help="Fleet file. Default: fleet.yaml beside the intents or here, else this machine."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of words.")]


def to_write(path: Path | None) -> Path | None:
    """Return the file that an option names, once it is plain that it can be written: before long work, not after it."""
    if path is None:
        return None
    if path == Path():
        raise typer.BadParameter("an empty text or `.` names no file")
    from aios.workflow.saving import see_place

    see_place(path)
    return path


JsonInto = Annotated[
    Path | None,
    typer.Option("--json-into", metavar="FILE", callback=to_write, help="Also write the JSON to a file."),
]
HowHard = Annotated[
    Effort,
    typer.Option(
        "--effort",
        help="How much work the search may take before it ends without a proof: quick takes a tenth, thorough ten "
        "times as much. The same effort gives the same answer every time.",
    ),
]
Every = Annotated[bool, typer.Option("--all", help="Tell everything, not only what comes first.")]
Paths = Annotated[
    list[str] | None, typer.Argument(metavar="PATH...", help="Intent files or folders; - reads standard input.")
]
State = Annotated[Path, typer.Option("--state", help="State file.")]
Profiles = Annotated[Path, typer.Option("--profiles", help="Folder of measurements, fit to be checked in.")]
KeepOthers = Annotated[
    bool, typer.Option("--keep-others", help="Leave alone what stands but is not among the given intents.")
]
Parallelism = Annotated[
    int, typer.Option("--parallelism", min=1, metavar="N", help="How many actions may run at the same time.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def setting_of(
    paths: list[str] | None,
    fleet: str | None,
    state: Path = STATE,
    profiles: Path = PROFILES,
    effort: Effort = Effort.NORMAL,
) -> Setting:
    """Return what a command was given."""
    return Setting(
        paths=tuple(paths or ()),
        fleet=fleet,
        state=state,
        profiles=profiles,
        warn=_warned,
        stdin=sys.stdin.buffer.read,
        effort=effort,
    )


def _warned(text: str) -> None:
    from aios.cli.words import warned

    warned(text)
