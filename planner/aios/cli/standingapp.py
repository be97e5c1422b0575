"""Commands that carry out plans and look after what stands. Each one imports what it needs when it runs."""

from typing import Annotated

import typer

from aios.cli.options import (
    PARALLELISM,
    PROFILES,
    STATE,
    Fleet,
    Json,
    JsonInto,
    KeepOthers,
    Parallelism,
    Profiles,
    State,
    Yes,
    setting_of,
)

__all__ = ["standing_app"]

standing_app = typer.Typer()


@standing_app.command(epilog="Examples: aios apply plan.json, or: aios apply intent.yaml --yes")
def apply(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PLAN | PATH...", help="A saved plan, or intents to plan and apply.")
    ] = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    keep_others: KeepOthers = False,
    parallelism: Parallelism = PARALLELISM,
    rollback_on_failure: Annotated[
        bool, typer.Option("--rollback-on-failure", help="Once an action fails, take back what this run has done.")
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Take back what the last run did, which was killed, stopped or failed.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Carry out a plan. A saved plan is the approval; otherwise the plan is shown and asked about."""
    from aios.cli.applying import Manner
    from aios.cli.applying import abort as take_back
    from aios.cli.applying import apply as work

    setting = setting_of(paths, fleet, state, profiles)
    if abort:
        return take_back(setting, yes=yes, json=json, json_into=json_into)
    manner = Manner(parallelism, rollback_on_failure)
    return work(setting, manner, keep_others=keep_others, yes=yes, json=json, json_into=json_into)


@standing_app.command(epilog="Example: aios status")
def status(state: State = STATE, json: Json = False) -> int:
    """Show what stands, whether it is healthy, and where it answers."""
    from aios.cli.applying import status as work

    return work(setting_of(None, None, state), json=json)


@standing_app.command(epilog="Example: aios destroy --yes")
def destroy(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS...]", help="What to remove; everything by default.")
    ] = None,
    state: State = STATE,
    parallelism: Parallelism = PARALLELISM,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Remove what was applied."""
    from aios.cli.applying import destroy as work

    return work(setting_of(None, None, state), tuple(targets or ()), parallelism=parallelism, yes=yes, json=json)


@standing_app.command(epilog="Example: aios verify --seconds 20")
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
