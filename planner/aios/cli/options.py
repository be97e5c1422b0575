"""Options that several commands share."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from aios.workflow.manner import PARALLELISM
from aios.workflow.setting import Effort, Setting, place_of

__all__ = [
    "PARALLELISM",
    "PROFILES",
    "STATE",
    "DecryptKey",
    "EncryptKey",
    "Every",
    "Expires",
    "Fleet",
    "HowHard",
    "Json",
    "JsonInto",
    "KeepOthers",
    "LockId",
    "LockTimeout",
    "LogFile",
    "LogLevel",
    "Markdown",
    "MarkdownInto",
    "Parallelism",
    "Paths",
    "Policies",
    "Profiles",
    "SignKey",
    "SignPassphrase",
    "State",
    "VerifyKey",
    "Yes",
    "setting_of",
    "store_of_environment",
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
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print the comment of a pull request, in Markdown, instead of words.")
]
MarkdownInto = Annotated[
    Path | None,
    typer.Option("--markdown-into", metavar="FILE", callback=to_write, help="Also write that comment to a file."),
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
        show_default=False,
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
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="PATH",
        help="File or folder of policies that the plan must keep; repeatable. Files policy.yaml and *.policy.yaml "
        "beside the intents always count.",
    ),
]
KeepOthers = Annotated[
    bool,
    typer.Option(
        "--keep-others",
        help="Leave alone what stands but is not among the given intents. What it takes of the fleet is not counted.",
    ),
]
Expires = Annotated[
    str | None,
    typer.Option("--expires", metavar="TIME", help="How long the saved plan may be applied: 2h, or until when."),
]
SignKey = Annotated[
    str | None,
    typer.Option("--sign-key", metavar="KEY", help="Sign the plan: file of a private key, or env:NAME."),
]
SignPassphrase = Annotated[
    str | None,
    typer.Option("--sign-passphrase", metavar="REFERENCE", help="What opens the private key: env:NAME or file:PATH."),
]
EncryptKey = Annotated[
    str | None,
    typer.Option("--encrypt-key", metavar="REFERENCE", help="Encrypt the saved plan: env:NAME or file:PATH."),
]
VerifyKey = Annotated[
    str | None,
    typer.Option(
        "--verify-key",
        metavar="FILE",
        envvar="AIOS_VERIFY_KEY",
        help="Demand a plan that one of these public keys signed.",
    ),
]
DecryptKey = Annotated[
    str | None,
    typer.Option(
        "--decrypt-key",
        metavar="REFERENCE",
        envvar="AIOS_DECRYPT_KEY",
        help="What opens an encrypted plan: env:NAME or file:PATH.",
    ),
]
Parallelism = Annotated[
    int, typer.Option("--parallelism", min=1, metavar="N", help="How many actions may run at the same time.")
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
"""Both are declared for --help: `aios.cli.telemetry` takes them out before the rest is read."""
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def setting_of(
    paths: list[str] | None,
    fleet: str | None,
    state: str = STATE,
    profiles: Path = PROFILES,
    effort: Effort = Effort.NORMAL,
    lock: tuple[float, str | None] = (0.0, None),
    policies: list[str] | None = None,
) -> Setting:
    """Return what a command was given. lock: seconds to wait for it, and the name of our own"""
    from aios.cli.telemetry import keep_logs_beside

    setting = Setting(
        paths=tuple(paths or ()),
        fleet=fleet,
        state=place_of(state),
        profiles=profiles,
        warn=_warned,
        stdin=sys.stdin.buffer.read,
        effort=effort,
        lock_timeout_s=lock[0],
        lock_id=lock[1],
        policies=tuple(policies or ()),
        store=store_of_environment(),
    )
    keep_logs_beside(setting.home)
    return setting


def store_of_environment() -> Path | None:
    """Return the folder of the model store that the environment names, if it names one."""
    named = os.environ.get("AIOS_MODELS")
    return Path(named) if named else None


def _warned(text: str) -> None:
    from aios.cli.words import warned

    warned(text)
