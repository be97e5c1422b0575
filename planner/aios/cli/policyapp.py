"""`aios policy` and `aios test`: rules on plans, tests of intents. Each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import Json, JsonInto, setting_of, to_write

__all__ = ["policy_app", "testing_app"]

policy_app = typer.Typer(help="Look at rules on plans.", no_args_is_help=True, rich_markup_mode=None)
testing_app = typer.Typer()


@policy_app.command("check", epilog="Example: aios policy check plan.json --policy policies/")
def policy_check(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A saved plan.")],
    policy: Annotated[
        list[str], typer.Option("--policy", metavar="PATH", help="File or folder of policies; repeatable.")
    ],
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Ask the rules of policies of a saved plan: exit 1 where one denies it. Changes nothing."""
    from aios.cli.policing import policy_check as work

    return work(setting_of(None, None, policies=policy), plan, json=json, json_into=json_into)


@testing_app.command(epilog="Example: aios test examples/described-fleet --junit report.xml")
def test(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH...]", help="Test files, or folders with *.test.yaml at any depth. Default: here."
        ),
    ] = None,
    chosen: Annotated[
        str | None,
        typer.Option("--filter", metavar="TEXT", help="Only cases whose `file: name` holds this; * matches."),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", callback=to_write, help="Also write the outcomes as JUnit XML."),
    ] = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Run tests of intents and policies on emulated fleets: exit 1 where one fails. Touches no hardware."""
    from aios.cli.testing import test as work

    return work(setting_of(paths, None), chosen=chosen, junit=junit, json=json, json_into=json_into)
