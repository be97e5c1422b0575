"""Commands about the state itself: its history and its lock. Each one imports what it needs when it runs."""

from typing import Annotated

import typer

from aios.cli.options import STATE, Json, State, Yes, setting_of

__all__ = ["state_app"]

state_app = typer.Typer()


@state_app.command(epilog="Example: aios history")
def history(
    state: State = STATE,
    last: Annotated[
        int | None, typer.Option("--last", "-n", min=1, metavar="N", help="Only the last N runs; all by default.")
    ] = None,
    json: Json = False,
) -> int:
    """List what was applied and destroyed, newest first: when, by whom, from which plan, and what came of it."""
    from aios.cli.history import history as work

    return work(setting_of(None, None, state), last=last, json=json)


@state_app.command(epilog="Example: aios unlock 4f1c9a2b7d30 --yes")
def unlock(
    lock: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The lock to release; whichever there is by default.")
    ] = None,
    state: State = STATE,
    force: Annotated[
        bool, typer.Option("--force", help="Release it although the run that holds it is still at work.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Say who holds the state's lock, and release it from a run that cannot do so itself."""
    from aios.cli.unlocking import unlock as work

    return work(setting_of(None, None, state), lock, force=force, yes=yes, json=json)
