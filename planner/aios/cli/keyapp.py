"""`aios key`: keys that plans are signed with. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import Json, to_write

__all__ = ["key_app"]

key_app = typer.Typer(help="Make and tell apart keys to sign plans with.", no_args_is_help=True, rich_markup_mode=None)


@key_app.command(epilog="Example: aios key generate deploy.pem")
def generate(
    file: Annotated[
        Path, typer.Argument(callback=to_write, help="Where to write the private key; FILE.pub beside it.")
    ],
    passphrase: Annotated[
        str | None,
        typer.Option("--passphrase", metavar="REFERENCE", help="What protects it: env:NAME or file:PATH."),
    ] = None,
    json: Json = False,
) -> int:
    """Make a pair of Ed25519 keys, as PEM files that openssl reads too."""
    from aios.cli.keys import generate as work

    return work(file, passphrase, json=json)


@key_app.command("id", epilog="Example: aios key id deploy.pem.pub")
def key_id(
    file: Annotated[str, typer.Argument(help="File of public keys.")],
    json: Json = False,
) -> int:
    """Print the id of each public key in a file, as plans and messages name it."""
    from aios.cli.keys import key_id as work

    return work(file, json=json)
