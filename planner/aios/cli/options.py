"""Options that several commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aios.workflow.setting import Effort, Setting, place_of

__all__ = [
    "PROFILES",
    "STATE",
    "Every",
    "Fleet",
    "HowHard",
    "Json",
    "JsonInto",
    "KeepOthers",
    "LockId",
    "LockTimeout",
    "Paths",
    "Profiles",
    "State",
    "Yes",
    "setting_of",
    "to_write",
]

STATE = ".aios/state.json"
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
State = Annotated[
    str,
    typer.Option(
        "--state", envvar="AIOS_STATE", metavar="FILE | URL", help="State file, or postgresql://HOST/DATABASE."
    ),
]


def seconds(text: str | float) -> float:
    """Return the seconds that an option names: `30s`, `5 min`."""
    if isinstance(text, float):
        return text  # the default
    from aios.records.units import Dimension, UnitError, parse_quantity

    try:
        found = parse_quantity(text, Dimension.TIME)
    except UnitError as error:
        raise typer.BadParameter(f"{error.summary}; {error.remedy}" if error.remedy else error.summary) from None
    if found < 0:
        raise typer.BadParameter(f"{text!r} is less than no time")
    return found


LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        metavar="TIME",
        parser=seconds,
        help="Wait so long for another run that holds the state's lock, such as 30s. Default: not at all.",
    ),
]
LockId = Annotated[
    str | None,
    typer.Option(
        "--lock-id",
        envvar="AIOS_LOCK_ID",
        metavar="ID",
        help="Name the lock, so that a pipeline can release its own: aios unlock ID.",
    ),
]
Profiles = Annotated[Path, typer.Option("--profiles", help="Folder of measurements, fit to be checked in.")]
KeepOthers = Annotated[
    bool, typer.Option("--keep-others", help="Leave alone what stands but is not among the given intents.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def setting_of(
    paths: list[str] | None,
    fleet: str | None,
    state: str = STATE,
    profiles: Path = PROFILES,
    effort: Effort = Effort.NORMAL,
    lock: tuple[float, str | None] = (0.0, None),
) -> Setting:
    """Return what a command was given. lock: seconds to wait for it, and the name of our own"""
    return Setting(
        paths=tuple(paths or ()),
        fleet=fleet,
        state=place_of(state),
        profiles=profiles,
        warn=_warned,
        stdin=sys.stdin.buffer.read,
        effort=effort,
        lock_timeout_s=lock[0],
        lock_id=lock[1],
    )


def _warned(text: str) -> None:
    from aios.cli.words import warned

    warned(text)
