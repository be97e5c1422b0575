"""Which device types are meant by a name that none of them has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from aios.fleet.catalogue import Catalogue
from aios.fleet.matching import Names
from aios.records.fleet import DeviceType

__all__ = ["types_meant"]

_MOST = 3
_MOST_CALLED_SO = 6
"""Of types that are all called as is written, such as the four kinds of an A100."""


def types_meant(written: str, own: Iterable[str], catalogue: Mapping[str, DeviceType]) -> str | None:
    """Return the question that names the nearest types, those that are described beside the fleet first; or None.

    Also what tools and people call a type is understood, ``h100`` or ``Tesla T4``. Reads the whole catalogue.
    """
    names = catalogue.names if isinstance(catalogue, Catalogue) else Names((it, ()) for it in catalogue.values())
    known = names.identify(written)
    clear = [known.type.name] if known.type else list(known.candidates)
    mine = difflib.get_close_matches(written.lower(), list(own), n=_MOST, cutoff=0.6)
    most = _MOST_CALLED_SO if clear else _MOST
    near = list(dict.fromkeys([*mine, *(clear or names.nearest(written))]))[:most]
    return f"did you mean {', '.join(f'`{item}`' for item in near)}?" if near else None
