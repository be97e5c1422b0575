"""Commands that carry out plans and look after what stands. Each one imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import (
    PARALLELISM,
    PROFILES,
    STATE,
    DecryptKey,
    Every,
    Fleet,
    Json,
    JsonInto,
    KeepOthers,
    LockId,
    LockTimeout,
    Markdown,
    Parallelism,
    Policies,
    Profiles,
    State,
    VerifyKey,
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
    lock_timeout: LockTimeout = 0.0,
    lock_id: LockId = None,
    verify_key: VerifyKey = None,
    decrypt_key: DecryptKey = None,
    policy: Policies = None,
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
    from aios.cli.applying import abort as take_back
    from aios.cli.applying import apply as work
    from aios.workflow.manner import Manner
    from aios.workflow.planfiles import Trust

    setting = setting_of(paths, fleet, state, profiles, policies=policy, lock=(lock_timeout, lock_id))
    if abort:
        return take_back(setting, yes=yes, json=json, json_into=json_into)
    manner, trust = Manner(parallelism, rollback_on_failure), Trust(verify_key, decrypt_key)
    return work(setting, manner, trust=trust, keep_others=keep_others, yes=yes, json=json, json_into=json_into)


@standing_app.command(epilog="Examples: aios show plan.json --markdown, or: aios show @3")
def show(
    plan: Annotated[
        str,
        typer.Argument(metavar="PLAN | @N", help="A saved plan, or a run of the history: @3; @-1 is the last one."),
    ],
    state: State = STATE,
    markdown: Markdown = False,
    verify_key: VerifyKey = None,
    decrypt_key: DecryptKey = None,
    every: Every = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Show a saved plan, or what a run did, from its document alone: neither intents, fleet nor models need be at
    hand."""
    from aios.cli.showing import show as work
    from aios.workflow.planfiles import Trust

    setting, trust = setting_of(None, None, state), Trust(verify_key, decrypt_key)
    return work(setting, plan, trust, markdown=markdown, every=every, json=json, json_into=json_into)


@standing_app.command(epilog="Example: aios render intent.yaml --into rendered")
def render(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PLAN | PATH...", help="A saved plan, or intents to plan.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Write files there, and remove those no longer made.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 2 where DIR holds something else.")
    ] = False,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    keep_others: KeepOthers = False,
    policy: Policies = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Write what a plan would hand to the world as files, the same bytes every time. Changes nothing else."""
    from aios.cli.rendering import render_files

    setting = setting_of(paths, fleet, state, profiles, policies=policy)
    return render_files(setting, into=into, check=check, keep_others=keep_others, json=json, json_into=json_into)


@standing_app.command(epilog="Example: aios status")
def status(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS...]", help="What to show; everything by default.")
    ] = None,
    state: State = STATE,
    json: Json = False,
) -> int:
    """Show what stands, whether it is healthy, where it answers, and what it does lately."""
    from aios.cli.drifting import status as work

    return work(setting_of(None, None, state), tuple(targets or ()), json=json)


@standing_app.command(epilog="Examples: aios drift, or for one service: aios drift read-digits --json")
def drift(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS...]", help="What to look at; everything by default.")
    ] = None,
    state: State = STATE,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Compare what is true with what was applied, and what is measured with what was promised; exit 5 on drift."""
    from aios.cli.drifting import drift as work

    return work(setting_of(None, None, state), tuple(targets or ()), json=json, json_into=json_into)


@standing_app.command(epilog="Examples: aios destroy --yes, or: aios destroy --target read-digits --target ocr")
def destroy(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS...]", help="What to remove; everything by default.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="ADDRESS", help="The same as an argument; repeatable.")
    ] = None,
    state: State = STATE,
    lock_timeout: LockTimeout = 0.0,
    lock_id: LockId = None,
    parallelism: Parallelism = PARALLELISM,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Remove what was applied."""
    from aios.cli.applying import destroy as work

    setting = setting_of(None, None, state, lock=(lock_timeout, lock_id))
    names = tuple(dict.fromkeys((*(targets or ()), *(target or ()))))
    return work(setting, names, parallelism=parallelism, yes=yes, json=json)


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
