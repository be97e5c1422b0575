"""Makes protected files ready for the replicas of a service: examined, decrypted, in memory that they share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from aios.spi.vault import private_room
from aios_plugins.onnxruntime.spec import Spec, verified

__all__ = ["opening_of"]

_ROOM = "plain"


def opening_of(spec: Spec, runtime: Path) -> Callable[[], Spec]:
    """Return what makes the files of ``spec`` ready and says what workers are told of them; it raises ValueError.

    To be called before there are threads or children: they are to see what is mounted here. What is returned imports
    what it needs when it runs, beside the start of the workers. runtime: the service's folder
    """
    room = _room(runtime) if spec.sealed else None
    # Workers inherit what the environment holds now: they are given plain files and need no key.
    scheme, _, name = spec.sealed["key"].partition(":") if spec.sealed and room else ("", "", "")
    secret = os.environ.pop(name, None) if scheme == "env" else None
    return lambda: _opened(spec, room, secret)


def _room(runtime: Path) -> Path | None:
    """Return the folder that holds plain files, None where the kernel permits no private mount."""
    # By its name of now: what is held open lies in the namespace that is about to be left.
    room = runtime.resolve() / _ROOM
    try:
        private_room(room)
    except OSError as error:
        print(f"no private memory for all replicas: each decrypts for itself ({error})", flush=True)  # noqa: T201 - log
        return None
    held = os.open(room, os.O_RDONLY | os.O_DIRECTORY)
    return Path(f"/proc/{os.getpid()}/fd/{held}")


def _opened(spec: Spec, room: Path | None, secret: str | None) -> Spec:
    try:
        return _ready(spec, room, secret)
    except Exception as error:
        from aios.records.errors import AiosError  # not before there is one: it takes long to load

        if not isinstance(error, AiosError):
            raise
        told = (": ".join(filter(None, (item.summary, item.reason))) for item in error.diagnostics)
        raise ValueError("; ".join(told)) from error


def _ready(spec: Spec, room: Path | None, secret: str | None) -> Spec:
    from aios.spi.sealing import key_of, sealing_key
    from aios.spi.vault import unsealed_into

    told = spec
    if spec.attested:
        from aios_plugins.onnxruntime.attested import attested

        told = replace(spec, attested=attested(spec.folder, spec.attested))
    if spec.sealed is None or room is None:
        return told
    reference = spec.sealed["key"]
    key = sealing_key(reference) if secret is None else key_of(os.fsencode(secret).rstrip(b"\r\n"), reference)
    with ExitStack() as stack:
        # What is signed are the files as they lie there; without that, the seal of every chunk says enough.
        folder = stack.enter_context(verified(spec)) if spec.attested else Path(spec.folder)
        unsealed_into(room, folder, key, spec.sealed["context"])
    return replace(told, folder=f"{room}/.", files={}, sealed=None)
