"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Fleet", "Json", "JsonInto"]

Fleet = Annotated[
    str | None,
    typer.Option("--fleet", help="Fleet file. Default: fleet.yaml beside the intents or here, else this machine."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of words.")]
JsonInto = Annotated[Path | None, typer.Option("--json-into", metavar="FILE", help="Also write the JSON to a file.")]
