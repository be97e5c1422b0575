"""`aios model`: what models ask of hardware. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import STATE, Json, SignPassphrase, State, setting_of

__all__ = ["model_app"]

model_app = typer.Typer(help="Look at models.", no_args_is_help=True, rich_markup_mode=None)


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


@model_app.command("attest", epilog="Example: aios model attest plan.json --sign-key deploy.pem")
def model_attest(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A saved plan.")],
    sign_key: Annotated[
        str, typer.Option("--sign-key", metavar="KEY", help="File of a private key, or env:NAME; see `aios key`.")
    ],
    sign_passphrase: SignPassphrase = None,
    state: State = STATE,
    json: Json = False,
) -> int:
    """Sign the models that a plan would load, and the programs that would load them, as they are here and now."""
    from aios.cli.attesting import model_attest as work

    return work(setting_of(None, None, state), plan, sign_key, sign_passphrase, json=json)
