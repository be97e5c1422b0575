"""Options that several commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aios.workflow.setting import Effort, Setting

__all__ = [
    "PROFILES",
    "STATE",
    "Every",
    "Fleet",
    "HowHard",
    "Json",
    "JsonInto",
    "KeepOthers",
    "LogFile",
    "LogLevel",
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
LogLevel = Annotated[
    str | None,
    typer.Option(
        "--log-level",
        metavar="debug|info|warning|error|off",
        help="How much the log of the run tells; of any command, anywhere among its arguments. Also AIOS_LOG.",
    ),
]
LogFile = Annotated[
    str | None,
    typer.Option("--log-file", metavar="FILE", help="Write the log there, not to .aios/logs/; - is stderr."),
]
"""Both are declared for --help: `aios.cli.recording` takes them out before the rest is read."""
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def setting_of(
    paths: list[str] | None,
    fleet: str | None,
    state: Path = STATE,
    profiles: Path = PROFILES,
    effort: Effort = Effort.NORMAL,
) -> Setting:
    """Return what a command was given."""
    from aios.cli.recording import keep_logs_beside

    setting = Setting(
        paths=tuple(paths or ()),
        fleet=fleet,
        state=state,
        profiles=profiles,
        warn=_warned,
        stdin=sys.stdin.buffer.read,
        effort=effort,
    )
    keep_logs_beside(setting.home)
    return setting


def _warned(text: str) -> None:
    from aios.cli.words import warned

    warned(text)
