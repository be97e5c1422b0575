"""Names that people give to intents, policies, rules and test files."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from aios.records.errors import BadValue

__all__ = ["ADDRESS", "Name"]

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

ADDRESS = re.compile(f"{_LABEL}(/{_LABEL})?")
"""Where a service stands: the name of its intent, of a stage or group of one `intent/part`."""


def _label(text: str) -> str:
    if re.fullmatch(_LABEL, text):
        return text
    mended = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    raise BadValue(
        f"`{text[:80]}` is no name: names are 1 to 63 lower-case letters, digits and `-`, "
        "and begin and end with a letter or digit",
        f"write `{mended}`" if mended else None,
    )


Name: TypeAlias = Annotated[str, AfterValidator(_label), Field(json_schema_extra={"pattern": f"^{_LABEL}$"})]
"""1 to 63 lower-case letters, digits and ``-``."""
