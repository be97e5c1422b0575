"""Makes protected files ready for the replicas of a service: examined, decrypted, in memory that they share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from aios.spi.sealing import Key, sealing_key
from aios.spi.vault import private_room, unsealed_into
from aios_plugins.onnxruntime.attested import attested
from aios_plugins.onnxruntime.spec import Spec, verified

__all__ = ["opening_of"]

_ROOM = "plain"


def opening_of(spec: Spec, runtime: Path) -> Callable[[], Spec]:
    """Return what makes the files of ``spec`` ready and says what workers are told of them.

    To be called before there are threads or children: they are to see what is mounted here. runtime: the service's
    folder
    """
    room = _room(runtime) if spec.sealed else None
    # Read now and taken out of what workers inherit: they are given plain files and need no key.
    key = sealing_key(spec.sealed["key"]) if spec.sealed and room else None
    if key is not None and key.origin.startswith("env:"):
        os.environ.pop(key.origin.removeprefix("env:"), None)
    return lambda: _opened(spec, room, key)


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


def _opened(spec: Spec, room: Path | None, key: Key | None) -> Spec:
    told = replace(spec, attested=attested(spec.folder, spec.attested))
    if spec.sealed is None or room is None or key is None:
        return told
    with ExitStack() as stack:
        # What is signed are the files as they lie there; without that, the seal of every chunk says enough.
        folder = stack.enter_context(verified(spec)) if spec.attested else Path(spec.folder)
        unsealed_into(room, folder, key, spec.sealed["context"])
    return replace(told, folder=f"{room}/.", files={}, sealed=None)
