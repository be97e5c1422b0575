"""`aios policy`: rules on plans. Each command imports what it needs when it runs."""

from typing import Annotated

import typer

from aios.cli.options import Json, JsonInto, setting_of

__all__ = ["policy_app"]

policy_app = typer.Typer(help="Look at rules on plans.", no_args_is_help=True, rich_markup_mode=None)


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
