"""`aios model`: what models ask of hardware. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.modelstoreapp import STORE_HELP, Store, store_app, stored_setting
from aios.cli.options import Json

__all__ = ["model_app"]

model_app = typer.Typer(
    help="Look at models, and keep them by name and version.",
    epilog=STORE_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
)
model_app.add_typer(store_app)


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
    stored: Annotated[bool, typer.Option("--stored", help="Only the models of the store.")] = False,
    store: Store = None,
    json: Json = False,
) -> int:
    """List the models of the store, and the published ones whose figures ship with aios."""
    from aios.cli.published import model_list as work

    return work(stored_setting(store), wanted, only_stored=stored, json=json)


@model_app.command("show", epilog="Example: aios model show resnet50 --size 288")
def model_show(
    name: Annotated[str, typer.Argument(help="As people call it: resnet50, YOLO11n, Qwen3-32B.")],
    size: Annotated[int | None, typer.Option("--size", metavar="PIXELS", help="Side of a square input.")] = None,
    json: Json = False,
) -> int:
    """Show what is known of a published model: multiply-accumulates, values and weights by class of operator."""
    from aios.cli.published import model_show as work

    return work(name, size, json=json)
