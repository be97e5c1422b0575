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
from aios.cli.options import (
    PROFILES,
    STATE,
    Every,
    Fleet,
    HowHard,
    Json,
    JsonInto,
    KeepOthers,
    Paths,
    Profiles,
    State,
    Yes,
    setting_of,
    to_write,
)
from aios.cli.questionsapp import questions_app
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
model_app = typer.Typer(help="Look at models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(model_app, name="model")
app.add_typer(hardware_app, name="hardware")


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
    start: Annotated[
        str | None, typer.Option("--start", metavar="TIME", help="When the plan starts, for jobs: 2027-03-01T16:00Z.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw when jobs run: .svg, .png, .pdf.")
    ] = None,
    effort: HowHard = Effort.NORMAL,
    every: Annotated[bool, typer.Option("--all", help="List every candidate, not only the leading ones.")] = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Choose how to run the intents, prove the choice, and say what apply would do. Changes nothing."""
    from aios.cli.planning import plan as work
    from aios.workflow.replanning import Wished

    setting = setting_of(paths, fleet, state, profiles, effort)
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


app.registered_commands += questions_app.registered_commands


@app.command(epilog="Example: aios profile examples/digits/intent.yaml")
def profile(
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    seconds: Annotated[float, typer.Option("--seconds", min=0.05, help="Time for each engine setting.")] = 1.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what has been measured before.")] = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Measure the candidates that could win on this machine; keep what was measured in the profile store."""
    from aios.cli.measuring import profile as work

    setting = setting_of(paths, fleet, state, profiles)
    return work(setting, seconds=seconds, fresh=fresh, json=json, json_into=json_into)


@app.command(epilog="Examples: aios apply plan.json, or: aios apply intent.yaml --yes")
def apply(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PLAN | PATH...", help="A saved plan, or intents to plan and apply.")
    ] = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    keep_others: KeepOthers = False,
    yes: Yes = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Carry out a plan. A saved plan is the approval; otherwise the plan is shown and asked about."""
    from aios.cli.applying import apply as work

    setting = setting_of(paths, fleet, state, profiles)
    return work(setting, keep_others=keep_others, yes=yes, json=json, json_into=json_into)


@app.command(epilog="Example: aios status")
def status(state: State = STATE, json: Json = False) -> int:
    """Show what stands, whether it is healthy, and where it answers."""
    from aios.cli.applying import status as work

    return work(setting_of(None, None, state), json=json)


@app.command(epilog="Example: aios destroy --yes")
def destroy(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS...]", help="What to remove; everything by default.")
    ] = None,
    state: State = STATE,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Remove what was applied."""
    from aios.cli.applying import destroy as work

    return work(setting_of(None, None, state), tuple(targets or ()), yes=yes, json=json)


@app.command(epilog="Example: aios verify --seconds 20")
def verify(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS...]", help="What to verify; everything by default.")
    ] = None,
    fleet: Fleet = None,
    state: State = STATE,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="How long to put the stated load on.")] = 20.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the arrival times.")] = 0,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Put the stated load on what stands and measure each promise: held, broken or unmeasured."""
    from aios.cli.measuring import verify as work

    setting = setting_of(None, fleet, state)
    return work(setting, tuple(targets or ()), seconds=seconds, seed=seed, json=json, json_into=json_into)


@app.command(epilog="Example: aios fidelity --data measurements/ --level calibrated")
def fidelity(
    data: Annotated[Path, typer.Option("--data", help="Folder of measured tables (CSV), or one of them.")],
    table: Annotated[str | None, typer.Option("--table", metavar="GLOB", help="Only tables called like this.")] = None,
    level: Annotated[
        list[str] | None, typer.Option("--level", help="zero-shot, calibrated or profiled; repeatable. Default: all.")
    ] = None,
    predictor: Annotated[str | None, typer.Option("--predictor", help="Only what this one predicts.")] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="OLD.json", help="Say what changed since this report.")
    ] = None,
    regret: Annotated[bool, typer.Option("--regret/--no-regret", help="Also decide by predictions.")] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the intents that are drawn.")] = 0,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Predict rows of measured tables that were held back; print errors, coverage, and what decisions would cost."""
    from aios.cli.fidelity import fidelity as work
    from aios.workflow.fidelity import request

    asked = request(data, table, tuple(level or ()), predictor, regret, seed)
    return work(asked, against=against, json=json, json_into=json_into)


@app.command(epilog="Example: aios calibrate --device nvidia-t4 --table measured.csv")
def calibrate(
    device: Annotated[str | None, typer.Option("--device", help="Device that the table measured.")] = None,
    table: Annotated[Path | None, typer.Option("--table", metavar="FILE", help="Measured table, or a folder.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of measured tables, to learn of all its devices.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Of --data learn what devices have in common as well, anew.")
    ] = False,
    from_profiles: Annotated[
        bool, typer.Option("--from-profiles", help="Learn from what was measured on this machine (see --profiles).")
    ] = False,
    profiles: Profiles = PROFILES,
    predictor: Annotated[str | None, typer.Option("--predictor", help="Only this one.")] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where to write; plans read <profiles>/calibrations.")
    ] = PROFILES / "calibrations",
    fleet: Fleet = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Learn from measured rows what devices really reach; write small, readable files that plans use."""
    from aios.cli.calibrating import calibrate as work
    from aios.workflow.fidelity import one_predictor
    from aios.workflow.saving import see_place

    one_predictor(predictor)
    see_place(out / "*.yaml", made=True)
    own = profiles if from_profiles else None
    where = (device, table, data, own, predictor, out, fleet)
    return work(*where, from_scratch=from_scratch, json=json, json_into=json_into)


@model_app.command("inspect", epilog="Example: aios model inspect model.onnx --size height=224")
def model_inspect(
    file: Annotated[
        Path, typer.Argument(help="Model file, config.json or its folder, or the name of a published transformer.")
    ],
    size: Annotated[
        list[str] | None, typer.Option("--size", metavar="NAME=N", help="Size of a dynamic dimension; repeatable.")
    ] = None,
    json: Json = False,
) -> int:
    """Show what a model asks of hardware: shapes, parameters, FLOPs and bytes per operator type."""
    from aios.cli.inspecting import model_inspect as work

    return work(file, tuple(size or ()), json=json)


@model_app.command("list", epilog="Example: aios model list resnet")
def model_list(
    wanted: Annotated[str | None, typer.Argument(metavar="FILTER", help="Part of a name or an alias.")] = None,
    json: Json = False,
) -> int:
    """List the published networks and language models whose figures ship with aios."""
    from aios.cli.published import model_list as work

    return work(wanted, json=json)


@model_app.command("show", epilog="Example: aios model show resnet50 --size 288")
def model_show(
    name: Annotated[str, typer.Argument(help="As people call it: resnet50, YOLO11n, Qwen3-32B.")],
    size: Annotated[int | None, typer.Option("--size", metavar="PIXELS", help="Side of a square input.")] = None,
    json: Json = False,
) -> int:
    """Show what is known of a published model: multiply-accumulates, values and weights by class of operator."""
    from aios.cli.published import model_show as work

    return work(name, size, json=json)


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
        print(f"error: {error.format_message()}", file=sys.stderr)
        asked = getattr(error, "ctx", None)  # of the command that was meant, where one was
        print(f"run `{asked.command_path if asked else 'aios'} --help`", file=sys.stderr)
        return Exit.USAGE


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
