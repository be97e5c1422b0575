"""`aios model`: the commands that keep models by name and version. Each one imports what it needs when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli.options import PROFILES, STATE, Json, Profiles, State, seconds, setting_of, store_of_environment, to_write

if TYPE_CHECKING:
    from aios.workflow.setting import Setting

__all__ = ["STORE_HELP", "Store", "store_app", "stored_setting"]

STORE_HELP = (
    "NAME@REF means a version (digits@v3), a branch or tag (digits@prod) or a digest (digits@sha256:602e16c5); NAME "
    "alone means NAME@main. Intents write store://NAME@REF. The store is .aios/models, --store FOLDER or AIOS_MODELS."
)

store_app = typer.Typer(rich_markup_mode=None)

Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FOLDER",
        envvar="AIOS_MODELS",
        help="The model store. Default: .aios/models.",
        show_default=False,
    ),
]


def completed(incomplete: str) -> list[str]:
    """Return the references that begin so, for shells: names, and after ``@`` branches, tags and versions."""
    from aios.records.errors import AiosError
    from aios.workflow.modelstore import references

    try:
        return references(stored_setting(store_of_environment()), incomplete)
    except (AiosError, OSError):
        return []


Reference = Annotated[
    str, typer.Argument(metavar="NAME[@REF]", help="Such as digits or digits@prod.", autocompletion=completed)
]


def stored_setting(store: Path | None, state: str = STATE, profiles: Path = PROFILES) -> "Setting":
    """Return what a command about the model store was given."""
    from dataclasses import replace

    return replace(setting_of(None, None, state, profiles), store=store)


@store_app.command(epilog="Example: aios model add models/digits-m.onnx --name digits -m 'first one that reads sevens'")
def add(
    file: Annotated[Path, typer.Argument(help="Model file; files beside it that it reads are kept with it.")],
    name: Annotated[
        str | None, typer.Option("--name", help="How it is called. Default: the file's name without its ending.")
    ] = None,
    branch: Annotated[str, typer.Option("--branch", help="The branch that it continues, or begins.")] = "main",
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Why.")] = "",
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="What else to keep with it; repeatable.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--encrypt-key", metavar="REF", help="Keep it encrypted by the key at env:NAME or file:PATH."),
    ] = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Keep a model file as a new version of a name."""
    from aios.cli.storing import add as work

    return work(stored_setting(store), file, name, branch, message, tuple(meta or ()), key, json=json)


@store_app.command(epilog="Example: aios model log digits")
def log(reference: Reference, store: Store = None, profiles: Profiles = PROFILES, json: Json = False) -> int:
    """List the versions of a name, newest first, and where each comes from; with @REF that one and its forebears."""
    from aios.cli.storing import log as work

    return work(stored_setting(store, profiles=profiles), reference, json=json)


@store_app.command(epilog="Example: aios model diff digits@v1 digits@prod")
def diff(
    before: Reference,
    after: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@REF]", help="The other one; @REF alone is of the same name.", autocompletion=completed
        ),
    ],
    store: Store = None,
    profiles: Profiles = PROFILES,
    every: Annotated[
        bool, typer.Option("--all", help="Every tensor that differs, not only those that differ most.")
    ] = False,
    json: Json = False,
) -> int:
    """Say how two versions differ: sizes, operators, inputs and outputs, weights by tensor, what was measured."""
    from aios.cli.modeldiffering import diff as work

    return work(stored_setting(store, profiles=profiles), before, after, every=every, json=json)


@store_app.command(epilog="Example: aios model tag digits@v3 prod")
def tag(
    reference: Reference,
    label: Annotated[str, typer.Argument(metavar="TAG", help="Made, or moved; `rollback` moves it back.")],
    store: Store = None,
    json: Json = False,
) -> int:
    """Put a tag at a version."""
    from aios.cli.storing import tag as work

    return work(stored_setting(store), reference, label, json=json)


@store_app.command(epilog="Example: aios model branch digits@v2 experiment")
def branch(
    reference: Reference,
    label: Annotated[str, typer.Argument(metavar="BRANCH", help="Made, or moved; `rollback` moves it back.")],
    store: Store = None,
    json: Json = False,
) -> int:
    """Put the end of a branch at a version: what is added to the branch next follows that one."""
    from aios.cli.storing import branch as work

    return work(stored_setting(store), reference, label, json=json)


@store_app.command(epilog="Example: aios model make digits@prod --transform prune --set keep=0.5 --name digits-small")
def make(
    reference: Reference,
    transform: Annotated[str, typer.Option("--transform", metavar="NAME", help="Such as half, static or prune.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PARAMETER=VALUE", help="Of the transform; repeatable.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="Where the transform gives more than one. Default: its first.")
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", metavar="FILE", help="Usual inputs, for transforms that read ranges.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", metavar="FILE", help="Items to learn from, for transforms that train.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="How it is called. Default: as its source.")] = None,
    branch: Annotated[str, typer.Option("--branch", help="The branch that it continues, or begins.")] = "main",
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Why.")] = "",
    store: Store = None,
    state: State = STATE,
    json: Json = False,
) -> int:
    """Have a transform make a model of a version, and keep it as a new version with where it comes from."""
    from aios.cli.storing import make as work

    data = {"calibrate": calibrate, "train": train}
    more = {"precision": precision, "data": data, "name": name, "branch": branch, "message": message}
    return work(stored_setting(store, state), reference, transform, tuple(settings or ()), more, json=json)


@store_app.command(epilog="Example: aios model checkout digits@prod -o digits.onnx")
def checkout(
    reference: Reference,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", callback=to_write, help="Default: NAME with its ending, here."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite another file that is there.")] = False,
    key: Annotated[
        str | None, typer.Option("--key", metavar="REF", help="Of an encrypted one: env:NAME or file:PATH.")
    ] = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Write the file of a version, after comparing every byte with what was stored."""
    from aios.cli.storing import checkout as work

    return work(stored_setting(store), reference, out, key, force=force, json=json)


@store_app.command(epilog="Examples: aios model rollback digits, or: aios model rollback digits@prod @2")
def rollback(
    reference: Reference,
    version: Annotated[
        str | None, typer.Argument(metavar="[@N]", help="The version to go to. Default: where it stood before.")
    ] = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Put a branch (main by default) or a tag back to where it stood before. No version is lost by that."""
    from aios.cli.storing import rollback as work

    return work(stored_setting(store), reference, version, json=json)


@store_app.command(epilog="Example: aios model rm digits@v1")
def rm(
    reference: Reference,
    whole: Annotated[bool, typer.Option("--all", help="Forget the name with all of its versions.")] = False,
    store: Store = None,
    json: Json = False,
) -> int:
    """Forget a version, a tag or a branch. The files stay until `aios model gc`, and while a service needs them."""
    from aios.cli.storing import rm as work

    return work(stored_setting(store), reference, whole=whole, json=json)


_UNUSED_S = 30 * 86400.0


@store_app.command(epilog="Example: aios model gc --dry-run")
def gc(
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    unused: Annotated[
        float,
        typer.Option(
            "--unused",
            metavar="TIME",
            parser=seconds,
            show_default=False,
            help="Remove prepared artefacts that were not used for so long. Default: 30 d.",
        ),
    ] = _UNUSED_S,
    store: Store = None,
    state: State = STATE,
    json: Json = False,
) -> int:
    """Remove the files that no name, service, history or running command needs, and prepared artefacts of no use."""
    from aios.cli.storing import gc as work

    return work(stored_setting(store, state), unused, dry=dry, json=json)


@store_app.command(epilog="Example: aios model fsck")
def fsck(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="All by default.", autocompletion=completed)
    ] = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Compare every byte of every version with what was stored; exit 6 where something differs."""
    from aios.cli.storing import fsck as work

    return work(stored_setting(store), tuple(names or ()), json=json)
