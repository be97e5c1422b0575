"""Talks to a service of ours: short requests with short patience."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["ControlError", "ask", "bracketed", "identify", "reachable_host"]

_PATIENCE_S = 1.0
_MOST_BYTES = 16 << 20
"""Of an answer: what a service counted in a day takes about one MiB."""


class ControlError(Exception):
    """The service refused. The text is its reason."""


def reachable_host(host: str) -> str:
    """Return where to connect to for a service that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - read, not bound


def bracketed(host: str) -> str:
    """Return where to connect to as it stands in an address."""
    host = reachable_host(host)
    return f"[{host}]" if ":" in host else host


def ask(
    host: str, port: int, method: str, path: str, secret: str = "", patience_s: float = _PATIENCE_S
) -> Mapping[str, Any]:
    """Return the JSON that the service answers.

    Raises OSError when nobody answers in time, ControlError when the answer is a refusal or no JSON.
    """
    import http.client

    connection = http.client.HTTPConnection(reachable_host(host), port, timeout=patience_s)
    try:
        connection.request(method, path, headers={"aios-secret": secret, "connection": "close"})
        response = connection.getresponse()
        document = json.loads(response.read(_MOST_BYTES))
    except (http.client.HTTPException, ValueError) as error:
        raise ControlError(f"no answer of a service of ours: {error}") from error
    finally:
        connection.close()
    if not isinstance(document, dict) or response.status != 200:
        raise ControlError(document.get("error", "refused") if isinstance(document, dict) else "refused")
    return document


def identify(host: str, port: int) -> str | None:
    """Return the name of the model that a service of ours on host and port has, None when it is no such service."""
    try:
        if ask(host, port, "GET", "/v2").get("name") != "aios":
            return None
        model = ask(host, port, "GET", "/aios").get("model")
    except (OSError, ControlError):
        return None
    return model if isinstance(model, str) else None
