"""The commands and their options.

Each one imports what it needs when it runs: ``--help`` and ``--version`` stay cheap.
"""

import sys
from copy import copy
from pathlib import Path
from typing import Annotated

import typer

from aios.cli.exits import EPILOGUE, Exit
from aios.cli.hardwareapp import hardware_app
from aios.cli.keyapp import key_app
from aios.cli.learningapp import learning_app
from aios.cli.modelapp import model_app
from aios.cli.options import (
    PROFILES,
    STATE,
    EncryptKey,
    Every,
    Expires,
    Fleet,
    HowHard,
    Json,
    JsonInto,
    KeepOthers,
    LogFile,
    LogLevel,
    Markdown,
    MarkdownInto,
    Paths,
    Policies,
    Profiles,
    SignKey,
    SignPassphrase,
    State,
    setting_of,
    to_write,
)
from aios.cli.policyapp import policy_app, testing_app
from aios.cli.questionsapp import questions_app
from aios.cli.standingapp import standing_app
from aios.cli.stateapp import state_app, state_group
from aios.workflow.setting import Effort

__all__ = ["app", "run"]

app = typer.Typer(
    name="aios",
    help="State what you want of AI workloads; get a proved plan, a running service and a measured promise.",
    epilog=EPILOGUE,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.add_typer(model_app, name="model")
app.add_typer(hardware_app, name="hardware")
app.add_typer(state_group, name="state")
app.add_typer(key_app, name="key")
app.add_typer(policy_app, name="policy")


def _version(wanted: bool) -> None:
    if wanted:
        from aios import __version__

        print(f"aios {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    _level: LogLevel = None,
    _file: LogFile = None,
) -> None:
    pass


@app.command(epilog="Example: aios init")
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write fleet.yaml and a starter intent.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the fleet.yaml that is there.")] = False,
    json: Json = False,
) -> int:
    """Look at this machine; write fleet.yaml and a starter intent; say what was found and what was not."""
    from aios.cli.starting import init as work

    return work(folder, force=force, json=json)


@app.command(epilog="Example: aios validate examples/digits/intent.yaml")
def validate(
    paths: Paths = None, fleet: Fleet = None, _every: Every = False, json: Json = False, json_into: JsonInto = None
) -> int:
    """Check intent and fleet files; report every mistake at once, with file, line and column."""
    from aios.cli.starting import validate as work

    return work(setting_of(paths, fleet), json=json, json_into=json_into)


@app.command(epilog="Example: aios plan examples/digits/intent.yaml -o plan.json")
def plan(
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", callback=to_write, help="Save the plan for `apply`.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes, 0 when there are none.")
    ] = False,
    keep_others: KeepOthers = False,
    current: Annotated[
        Path | None, typer.Option("--current", metavar="PLAN", help="A saved plan that stands. Default: the state.")
    ] = None,
    max_moves: Annotated[
        int | None, typer.Option("--max-moves", min=0, metavar="N", help="Let no more than so many intents move.")
    ] = None,
    freeze: Annotated[
        list[str] | None, typer.Option("--freeze", metavar="NAME", help="Leave this intent as it stands; repeatable.")
    ] = None,
    changed_since: Annotated[
        str | None,
        typer.Option("--changed-since", metavar="REV", help="Leave what did not change since, by content."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="TIME", help="When the plan starts, for jobs: 2027-03-01T16:00Z.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw when jobs run: .svg, .png, .pdf.")
    ] = None,
    expires: Expires = None,
    sign_key: SignKey = None,
    sign_passphrase: SignPassphrase = None,
    encrypt_key: EncryptKey = None,
    policy: Policies = None,
    effort: HowHard = Effort.NORMAL,
    every: Annotated[bool, typer.Option("--all", help="List every candidate, not only the leading ones.")] = False,
    json: Json = False,
    json_into: JsonInto = None,
    markdown: Markdown = False,
    markdown_into: MarkdownInto = None,
) -> int:
    """Choose how to run the intents, prove the choice, and say what apply would do. Changes nothing."""
    from aios.cli.planning import Comment
    from aios.cli.planning import plan as work
    from aios.workflow.planfiles import Keeping
    from aios.workflow.replanning import Wished

    setting = setting_of(paths, fleet, state, profiles, effort, policies=policy)
    return work(
        setting,
        wished=Wished(current, tuple(dict.fromkeys(freeze or ())), max_moves),
        out=out,
        detailed=detailed_exitcode,
        keep_others=keep_others,
        every=every,
        json=json,
        json_into=json_into,
        start=start,
        picture=svg,
        keeping=Keeping(expires, sign_key, sign_passphrase, encrypt_key),
        comment=Comment(markdown, markdown_into),
        changed_since=changed_since,
    )


@app.command(epilog="Example: aios candidates examples/digits/intent.yaml --json")
def candidates(
    paths: Paths = None,
    fleet: Fleet = None,
    profiles: Profiles = PROFILES,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """List every way to run the intents with its estimates and, if it is out, why."""
    from aios.cli.candidates import candidates as work

    return work(setting_of(paths, fleet, STATE, profiles), json=json, json_into=json_into)


for _part in (questions_app, learning_app, standing_app, state_app, testing_app):
    app.registered_commands += _part.registered_commands


@app.command(epilog="Example: aios schema intent > intent.schema.json")
def schema(
    name: Annotated[str | None, typer.Argument(help="Which schema; lists them by default.")] = None,
    json: Json = False,
) -> int:
    """Print a JSON Schema of the files that aios reads, for editors and pipelines."""
    from aios.cli.inspecting import schema as work

    return work(name, json=json)


@app.command(epilog="Example: aios plugins")
def plugins(json: Json = False) -> int:
    """List the installed plugins, without importing any."""
    from aios.cli.inspecting import plugins as work

    return work(json=json)


@app.command(epilog="Example: aios doctor")
def doctor(
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    every: Every = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Find what is broken here: software, drivers, permissions, state, services, limits; and say how to mend it."""
    from aios.cli.doctor import doctor as work

    return work(setting_of(paths, fleet, state, profiles), every=every, json=json, json_into=json_into)


@app.command(epilog="Example: aios demo")
def demo(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of an example. Default: examples/digits of the checkout.")
    ] = None,
) -> int:
    """Run the whole story on an example in a temporary folder: profile, plan, apply, requests, verify, destroy."""
    from aios.cli.demonstrating import demo as work

    return work(folder)


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code. Raises AiosError for what the command could not do."""
    try:
        return int(_asked(arguments)(arguments, prog_name="aios", standalone_mode=False) or 0)
    except typer.TyperException as error:
        from aios.cli.words import harmless

        print(f"error: {harmless(error.format_message())}", file=sys.stderr)
        asked = getattr(error, "ctx", None)  # of the command that was meant, where one was
        print(f"run `{asked.command_path if asked else 'aios'} --help`", file=sys.stderr)
        return Exit.USAGE
    except SystemExit as ended:
        # typer ends the process with 1 where the reader of our output went away: whoever called decides what that is.
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise


def _asked(arguments: list[str]) -> typer.Typer:
    """Return the app with the command or group alone that is asked for: to make all of them takes longer than most do.

    The whole one where none is named first: it has the help and says what was meant.
    """
    name = arguments[0] if arguments else ""
    commands = [item for item in app.registered_commands if item.callback and item.callback.__name__ == name]
    groups = [item for item in app.registered_groups if item.name == name]
    if not commands + groups:
        return app
    found = copy(app)
    found.registered_commands, found.registered_groups = commands, groups
    return found
