"""What looks like a secret in a text. Files that are checked into Git, plans and states hold references, never secrets.

Only forms that hardly anything else has count: those that issuers gave their keys so that they can be found, private
keys, passwords within an address, and values of fields that are called like a password.
"""

import re
from functools import cache
from typing import NamedTuple

__all__ = ["HIDDEN", "Suspect", "masked", "secret_in"]

_FORMS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})\b",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,64}\b",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}\b",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,64}\b",
    "an API key": r"\b(?:sk-(?:ant|proj|svcacct)-[A-Za-z0-9_-]{20,250}|sk-[A-Za-z0-9]{40,64}|AIza[A-Za-z0-9_-]{35})\b",
    "a signed token (JWT)": r"\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,2000}",
    "a password in an address": r"://[^\s/:@'\"]{0,100}:(?!\$|env:|file:|\*+@)[^\s/@'\"]{1,200}@",
}
_SECRET = "|".join(f"({form})" for form in _FORMS.values())
_PRIVATE_KEY = f"{_FORMS['a private key']}(?s:.*)"
_NAMED = r"""(?ix)
    (?:password|passwd|passphrase|api[_-]?key|secret[_-]?key|private[_-]?key|client[_-]?secret|(?:auth|access|bearer)[_-]?token)
    [\"']?[ \t]{0,20}[:=][ \t]{0,20}
    (?!env:|file:|\$|[\"']{2}|[\"']?(?:null|none|true|false|yes|no|todo|redacted|\*+)\b)
    [\"']?(?P<value>[^\s\"',}{#*][^\s\"',}]{5,})
"""
_MARKS = ("PRIVATE KEY", "AKIA", "ASIA", "gh", "glpat-", "xox", "hf_", "sk-", "AIza", "eyJ", "://")
_NAME_MARKS = ("passw", "passphrase", "key", "secret", "token")
"""One of these stands in whatever the expressions find: looking for them first takes a hundredth of the time."""
HIDDEN = "***"
"""What stands in place of a secret."""


class Suspect(NamedTuple):
    """Something that looks like a secret. what: it looks like · start, end: where it stands in the text"""

    what: str
    start: int
    end: int


def secret_in(text: str) -> Suspect | None:
    """Return the first thing in ``text`` that looks like a secret."""
    found = _pattern(_SECRET).search(text) if any(mark in text for mark in _MARKS) else None
    named = _pattern(_NAMED).search(text) if _is_named(text) else None
    if found is not None and (named is None or found.start() <= named.start("value")):
        what = list(_FORMS)[(found.lastindex or 1) - 1]
        return Suspect(what, found.start(), found.end())
    return None if named is None else Suspect("a password or key in plain text", *named.span("value"))


def masked(text: str) -> str:
    """Return ``text`` with whatever looks like a secret hidden; of a private key, all that follows it."""
    if any(mark in text for mark in _MARKS):
        text = _pattern(_SECRET).sub(HIDDEN, _pattern(_PRIVATE_KEY).sub(HIDDEN, text))
    return _pattern(_NAMED).sub(_hidden, text) if _is_named(text) else text


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Return ``text`` compiled: late, as that takes ten milliseconds and few texts have a mark in them."""
    return re.compile(text)


def _is_named(text: str) -> bool:
    small = text.lower()
    return any(mark in small for mark in _NAME_MARKS)


def _hidden(found: re.Match[str]) -> str:
    start, end = (place - found.start() for place in found.span("value"))
    return found[0][:start] + HIDDEN + found[0][end:]
