"""The commands that ask about plans, and their options. Each one imports what it needs when it runs."""

import typer

from aios.cli.options import PROFILES, STATE, Fleet, Json, JsonInto, Paths, Profiles, State, setting_of

__all__ = ["questions_app"]

questions_app = typer.Typer()


@questions_app.command(epilog="Example: aios explain examples/chat-described-fleet")
def explain(
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Say where the time, memory and watts of each choice go, and what each part of them waits for."""
    from aios.cli.explaining import explain as work

    return work(setting_of(paths, fleet, state, profiles), json=json, json_into=json_into)
