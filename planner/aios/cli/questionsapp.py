"""The commands that ask about plans, and their options. Each one imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import (
    PROFILES,
    STATE,
    Every,
    Fleet,
    HowHard,
    Json,
    JsonInto,
    Paths,
    Profiles,
    State,
    setting_of,
    to_write,
)
from aios.workflow.setting import Effort

__all__ = ["questions_app"]

questions_app = typer.Typer()


@questions_app.command(epilog="Example: aios explain examples/chat-described-fleet")
def explain(
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    why_not: Annotated[
        str | None,
        typer.Option("--why-not", metavar="FIELD=VALUE,...", help="Say what excludes these, or what they would cost."),
    ] = None,
    intent: Annotated[str | None, typer.Option("--intent", help="Which intent --why-not asks about.")] = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Say where the time, memory and watts of each choice go, and what each part of them waits for.

    With --why-not 'device=nvidia-l4,precision=int8': why that was not chosen.
    """
    setting = setting_of(paths, fleet, state, profiles)
    if why_not is not None or intent is not None:
        from aios.cli.whynot import why_not as answer

        return answer(setting, why_not, intent, json=json, json_into=json_into)
    from aios.cli.explaining import explain as work

    return work(setting, json=json, json_into=json_into)


@questions_app.command(epilog="Examples: aios diff yesterday.json plan.json, or: aios diff @2 @-1")
def diff(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="A saved plan, or a run of the history: @2; @-1 is the last one.")
    ],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another one.")],
    state: State = STATE,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when the plans differ, 0 when they do not.")
    ] = False,
    every: Every = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Say how two plans differ, saved or carried out: goals, choices, places, promises, and why."""
    from aios.cli.differing import diff as work

    setting = setting_of(None, None, state)
    return work(setting, before, after, detailed=detailed_exitcode, every=every, json=json, json_into=json_into)


@questions_app.command(epilog="Example: aios whatif examples/chat-described-fleet/intent.yaml --set nodes.l40s=null")
def whatif(
    changes: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="A change: intents.NAME.FIELD, nodes.NAME.FIELD, devices.NAME.FIELD or objective.FIELD, and what is "
            "to stand there, as YAML; null takes it away. May be given several times.",
        ),
    ],
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    every: Every = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Plan again with some values changed, and compare with the plan as it is. Changes nothing."""
    from aios.cli.whatif import what_if as work

    return work(setting_of(paths, fleet, state, profiles), changes, every=every, json=json, json_into=json_into)


@questions_app.command(epilog="Example: aios size intent.yaml --from shapes.yaml --minimize cost -o fleet.yaml")
def size(
    paths: Paths = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FOLDER|FILE", help="Device catalogue, or fleet file of machines to buy."),
    ] = None,
    minimize: Annotated[
        str, typer.Option("--minimize", help="cost (per hour), power, purchase, machines or devices.")
    ] = "cost",
    shapes: Annotated[
        str, typer.Option("--shapes", metavar="TYPE:N,...", help="Only these, such as nvidia-l4:1,nvidia-l40s:8.")
    ] = "",
    price: Annotated[
        list[str] | None, typer.Option("--price", metavar="TYPE=USD", help="Price of one device per hour; repeatable.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Only machines of this region; repeatable.")
    ] = None,
    max_nodes: Annotated[int, typer.Option("--max-nodes", help="Most machines in all.")] = 64,
    split: Annotated[
        int, typer.Option("--split", help="Pieces of each service's load that different devices may serve.")
    ] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", callback=to_write, help="Write the fleet to a file.")
    ] = None,
    profiles: Profiles = PROFILES,
    effort: HowHard = Effort.NORMAL,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Choose the cheapest fleet for the given intents, out of machines that may be bought."""
    from aios.cli.sizing import size as work
    from aios.workflow.shapes import Sought

    names = tuple(name.strip() for name in shapes.split(",") if name.strip())
    sought = Sought(source, minimize, names, max_nodes, tuple(region or ()), tuple(price or ()), split)
    return work(setting_of(paths, None, STATE, profiles, effort), sought, out=out, json=json, json_into=json_into)


@questions_app.command(
    epilog="Example: aios pareto examples/chat-described-fleet/intent.yaml --over cost,power -o front.svg"
)
def pareto(
    paths: Paths = None,
    over: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="METRIC,METRIC...", help="Metrics to trade off, two to four."),
    ] = None,
    points: Annotated[
        int, typer.Option("--points", min=4, max=1000, help="Most points to show; of a larger front, some all over it.")
    ] = 50,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", callback=to_write, help="Draw the front: .svg, .png or .pdf."),
    ] = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    effort: HowHard = Effort.NORMAL,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """List the plans that no other plan beats in all of several metrics at once: the Pareto front."""
    from aios.cli.pareto import pareto as work

    setting = setting_of(paths, fleet, state, profiles, effort)
    return work(setting, over or [], points, out=out, json=json, json_into=json_into)


@questions_app.command(epilog="Example: aios schedule examples/night-jobs --start 2027-03-01T16:00Z")
def schedule(
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    start: Annotated[
        str | None, typer.Option("--start", metavar="TIME", help="When the plan starts. Default: midnight UTC.")
    ] = None,
    within: Annotated[
        str | None, typer.Option("--within", metavar="TIME", help="By when all jobs have ended, such as '2 d'.")
    ] = None,
    minimize: Annotated[
        str | None,
        typer.Option("--minimize", metavar="NAME,...", help="expense, carbon, energy or time, most important first."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", callback=to_write, help="Also draw it: .svg, .png, .pdf."),
    ] = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Say when every job runs, by prices, carbon and power caps over the day.

    A job is a training intent, or a demand with a `duration`. Services stand all the time, and jobs take what they
    leave.
    """
    from aios.cli.scheduling import schedule as work

    setting = setting_of(paths, fleet, state, profiles)
    return work(setting, start=start, within=within, minimize=minimize, out=out, json=json, json_into=json_into)
