"""`aios model`: what models ask of hardware. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.modelstoreapp import STORE_HELP, Store, store_app, stored_setting
from aios.cli.options import STATE, Json, SignPassphrase, State, setting_of, to_write

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


@model_app.command("transforms", epilog="Example: aios model transforms static")
def model_transforms(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One transform, in full.")] = None,
    json: Json = False,
) -> int:
    """List what can be made of models: what each transform needs, takes and is expected to do."""
    from aios.cli.transforming import model_transforms as work

    return work(name, json=json)


@model_app.command("provenance", epilog="Example: aios model provenance read-digits --rebuild")
def model_provenance(
    name: Annotated[
        str,
        typer.Argument(metavar="ADDRESS | ARTEFACT | PLAN", help="What stands, an artefact's key, a saved plan."),
    ],
    address: Annotated[str | None, typer.Argument(metavar="[ADDRESS]", help="Of the saved plan.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make it again and compare, bit for bit.")] = False,
    state: State = STATE,
    json: Json = False,
) -> int:
    """Show each step from a model file to what is computed: transform, settings, versions, digests of data."""
    from aios.cli.transforming import model_provenance as work

    return work(setting_of(None, None, state), name, address, again=rebuild, json=json)


Owner = Annotated[str, typer.Option("--owner", help="Whose mark: a name that you will be known by.")]
MarkKey = Annotated[
    str, typer.Option("--key", metavar="REFERENCE", help="The owner's secret: env:NAME or file:PATH; 16 bytes or more.")
]


@model_app.command(epilog="Example: aios model watermark model.onnx --owner acme --key env:MARK_KEY -o marked.onnx")
def watermark(
    file: Annotated[Path, typer.Argument(help="Model with float weights.")],
    owner: Owner,
    key: MarkKey,
    out: Annotated[Path, typer.Option("--out", "-o", callback=to_write, help="Where to write the marked model.")],
    strength: Annotated[
        float | None,
        typer.Option("--strength", min=0.001, max=0.5, help="Change of each weight, as a share of its row's size."),
    ] = None,
    json: Json = False,
) -> int:
    """Write a model with an owner's mark in its weights, which only the owner's key finds again."""
    from aios.cli.watermarking import watermark as work

    return work(file, out, owner, key, strength, json=json)


@model_app.command("verify-watermark", epilog="Example: aios model verify-watermark x.onnx --owner acme --key env:K")
def verify_watermark(
    file: Annotated[Path, typer.Argument(help="Model, as it is or quantised.")],
    owner: Owner,
    key: MarkKey,
    chance: Annotated[
        float, typer.Option("--chance", min=1e-300, max=0.5, help="Of a false alarm, that is accepted at most.")
    ] = 1e-8,
    json: Json = False,
) -> int:
    """Say whether a model bears an owner's mark, and how likely chance alone is; exits with 5 where it is not found."""
    from aios.cli.watermarking import verify_watermark as work

    return work(file, owner, key, chance, json=json)


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
