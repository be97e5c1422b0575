"""The URL of a state in PostgreSQL: libpq's own, with the name of the state among several, and no secret in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from aios.records.errors import Diagnostic, InputError, WorldError

__all__ = ["Address", "read_url"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SECRETS = ("password", "sslpassword")
_REFERENCE = "env:"
_HOW = "leave it out: libpq takes it from PGPASSWORD, ~/.pgpass or `passfile=FILE`; or refer to it: `password=env:NAME`"


class Address(NamedTuple):
    """Where a state is kept. url: as it was given, without any secret · name: of the state among those of the database
    · parameters: libpq's, secrets still as references"""

    url: str
    name: str
    parameters: Mapping[str, str]

    @property
    def plain(self) -> str:
        """The URL for ``psql``, which knows no ``name=`` and takes no references."""
        parts = urlsplit(self.url)
        kept = [(key, value) for key, value in parse_qsl(parts.query) if key not in ("name", *_SECRETS)]
        host = parts.netloc.rpartition("@")
        user = host[0].partition(":")[0]
        return parts._replace(query=urlencode(kept), netloc=f"{user}@{host[2]}" if user else host[2]).geturl()

    def resolved(self) -> Mapping[str, str]:
        """Return libpq's parameters with what references stand for. Raises WorldError for a variable that is not
        set."""
        found = dict(self.parameters)
        for key in _SECRETS:
            if key in found:
                variable = found[key].removeprefix(_REFERENCE)
                value = os.environ.get(variable)
                if value is None:
                    raise WorldError(
                        Diagnostic(
                            summary=f"the state at {self.url} cannot be reached: {variable} is not set",
                            reason=f"its URL takes the {key} from that environment variable",
                            remedy="set it, as a secret of the pipeline for example",
                        )
                    )
                found[key] = value
        return found


def read_url(url: str) -> Address:
    """Return what ``url`` says. Raises InputError; a secret that it holds is not repeated."""
    try:
        parts = urlsplit(url)
        port = parts.port
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _wrong("the URL of the state cannot be read", "postgresql://USER@HOST:PORT/DATABASE?name=NAME") from None
    twice = {key for key, _ in given if [other for other, _ in given].count(key) > 1}
    if twice:
        raise _wrong(f"the URL of the state gives {', '.join(sorted(twice))} more than once", "give it once")
    options = dict(given)
    found = {"user": parts.username, "password": parts.password, "host": parts.hostname}
    parameters = {key: unquote(value) for key, value in found.items() if value}
    parameters |= {"port": str(port)} if port else {}
    parameters |= {"dbname": unquote(parts.path[1:])} if len(parts.path) > 1 else {}
    name = options.pop("name", "default")
    parameters |= options
    for key in _SECRETS:
        if key in parameters and not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", parameters[key]):
            raise _wrong(f"the URL of the state holds a {key}: it would end up in plans, logs and process lists", _HOW)
    if not url.isprintable() or parts.fragment:
        raise _wrong("the URL of the state holds characters that no URL has", "write them as %XX")
    if not _NAME.fullmatch(name):
        raise _wrong(f"{name[:80]!r} is no name of a state", "up to 63 letters, digits, `.`, `_` and `-`")
    return Address(url, name, parameters)


def _wrong(summary: str, remedy: str) -> InputError:
    return InputError(Diagnostic(summary=summary, remedy=remedy))
