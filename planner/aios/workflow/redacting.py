"""Takes secrets out of what is logged or traced: what `aios.records.secrets` is sure of, and whatever may be one.

A log that hides a word too many is still a log; a file that is refused for one is not planned. Hence two lists.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import PurePath
from typing import Any

from aios.records.secrets import HIDDEN, masked

__all__ = ["clean", "redacted"]

_TELLING = (
    r"passw(?:or)?d|passwd|passphrase|pwd|secret|token(?!s|i)|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"authorization|credential|cookie"
)
"""Not tokens, which language models are full of."""
_TELLING_NAME = re.compile(_TELLING, re.IGNORECASE)

_IS = r"\s{0,4}(?:=\s{0,4}|:(?!\s)|:\s{1,4}(?=[\"']|[^\s\d]{0,300}(?:\d|$|[,;\n])))"
"""What joins a name and its value. After a colon and a blank prose may come, which goes on behind its first word."""

# Every repetition is bounded: a text that means harm must not take long.
_FORMS = (
    # scheme://user:password@host; a password may hold an @ or a / itself.
    (
        r"([a-zA-Z][a-zA-Z0-9+.-]{0,20}://)([^\s/@:]{0,200}):(\S{0,300}?)@(?=[^\s@]{0,300}(?:[\s/?#'\"]|$))",
        rf"\1\2:{HIDDEN}@",
    ),
    (r"(?i)\b(bearer|basic)\s{1,4}[\w.~+/=-]{6,}", rf"\1 {HIDDEN}"),
    (
        rf"(?i)((?:{_TELLING})[\w-]{{0,40}}[\"']?{_IS})"
        r"(\"[^\"]{0,4000}\"|'[^']{0,4000}'|[^\s&;,\"')}\]]+)",
        rf"\1{HIDDEN}",
    ),
    (rf"(?i)(--?[\w-]{{0,40}}(?:{_TELLING})[\w-]{{0,40}}\s{{1,4}})(?!-)(\S+)", rf"\1{HIDDEN}"),
    (r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}KEY-----|\Z)", HIDDEN),
    # Tokens as issuers begin them, whatever their length; JSON web tokens.
    (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hf_|sk-)[A-Za-z0-9_-]{16,}", HIDDEN),
    (r"\beyJ[\w-]{8,2000}\.[\w-]{1,4000}\.[\w-]{0,2000}", HIDDEN),
)
_COMPILED = tuple((re.compile(form), instead) for form, instead in _FORMS)
_LONGEST = 16_384
"""Characters of a text that are kept."""
_DEEPEST = 12


def clean(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as plain JSON data without secrets; a mapping's value under a telling name is hidden whole."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str | PurePath):
        return redacted(str(value))
    if depth >= _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): _under(str(key), item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, depth + 1) for item in value]
    if hasattr(value, "model_dump"):
        return clean(value.model_dump(mode="json"), depth)
    return redacted(str(value))


def redacted(text: str) -> str:
    """Return ``text`` with ``***`` in place of every secret that is told by its form, its name or the environment."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text):,} characters)"
    for secret in _of_environment():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    for form, instead in _COMPILED:
        text = form.sub(instead, text)
    return masked(text)


def _under(name: str, value: Any, depth: int) -> Any:
    if isinstance(value, str) and _TELLING_NAME.search(name):
        return HIDDEN if value else value
    return clean(value, depth + 1)


_SHORTEST = 6
"""Characters of a value in the environment that is hidden wherever it stands: shorter ones are words of every text."""


@cache
def _of_environment() -> tuple[str, ...]:
    """Return the values of environment variables with telling names, the longest first, with passwords in URLs."""
    found = set()
    for name, value in os.environ.items():
        telling = _TELLING_NAME.search(name) or name.upper().endswith(("_KEY", "_PASS", "_HEADERS", "_AUTH"))
        if telling and len(value) >= _SHORTEST and not value.startswith(("/", "./", "~")):
            found.add(value)
        if match := re.search(r"://[^\s/@:]*:([^\s]{6,})@", value):
            found.add(match[1])
    return tuple(sorted(found, key=len, reverse=True))
