"""Which device type is meant by a name that some tool, list or person uses.

Names are compared without case, punctuation and the words that makers decorate them with. ``Tesla T4``, ``NVIDIA-T4``
and ``nvidia_t4`` are one name. A name that fits no entry as it stands is taken apart: ``V100M32`` and ``v100-32gb``
are the family ``v100`` with 32 GB, ``A100-PCIe`` is ``a100`` with a form. Nothing is guessed: what several entries
could be is ambiguous, and a bare family name is nobody's unless an entry bears it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.records.fleet import DeviceKind, DeviceType
from aios.records.units import Dimension, format_quantity

__all__ = ["Identified", "Names"]

_DECORATION = re.compile(
    r"\((?:r|tm|c)\)|[®™©]|@.*|\b(?:with|w/) .* graphics\b|(?<![a-z0-9])\d+[\W_]*cores?(?![a-z0-9])"
    r"|\btensor[\W_]core\b|\bcore(?=(?:\(tm\)|[\W_])+i\d)|\bgrace[\W_]hopper[\W_]superchip\b"
)
_BESIDE = re.compile(r"(?<![a-z0-9])(?:hbm\d\w?|gddr\d\w?|lpddr\d\w?|cts|dlc|dev(?:eloper)?[\W_]?kit)(?![a-z0-9])")
"""What names say beside which device it is: what its memory is made of, how it is cooled (custom thermal solution,
direct liquid cooling), what it is sold with. It counts where an entry is called so: HBM3 tells an H100 from another."""
_ASIDE = re.compile(r"\(([^()]*)\)")
_NOISE = frozenset({
    "accelerator", "ati", "card", "corp", "corporation", "cpu", "generation", "geforce", "gpu", "graphics", "inc",
    "instinct", "limited", "ltd", "module", "processor", "quadro", "radeon", "tesla",
})  # fmt: skip
"""Words that say nothing about which device it is: what kind of thing, brand beside an unmistakable number, company."""
_ANY = frozenset({"asic", "device", "dsp", "fpga", "npu", "accel", "chip", "generic", "series", "type", "unknown"})
"""Further words that any device may be called by."""
_MISSPELT, _LOOKS_LIKE = 0.75, 0.75
"""How alike two words of names are that may be meant to be one, and two names (``difflib``: 1 for the same)."""
_SIZE = re.compile(r"(?<![a-z0-9.])(\d{1,4})\s*g(?:i?b)?(?![a-z0-9])|(?<=\d)m(\d{2,3})(?![a-z0-9])")
_FORM = re.compile(r"(?<=[0-9a-z])(?=(?:sxm\d?|pcie)$)")
_IS_FORM = re.compile(r"sxm\d?|pcie?|nvl|oam|mxm")
_REPORTED = (0.92, 1.085)
"""How the memory that a tool reports may lie to the nominal one: 16 GB of which ECC takes a sixteenth, up to GB that
are GiB. Variants of one family are further apart: 40 and 80, 80 and 94, 10 and 12 GB."""
_ON_BOARD = (0.75, 1.25)
"""The same of a machine and a processor that is sold on a board with its memory: graphics and firmware keep a part of
that for themselves. Boards that are called the same differ by a factor of two in their memory."""
_GB = 1e9


class Identified(NamedTuple):
    """What a name turned out to be.

    type: the one entry that it fits, else None · candidates: entries that it could be, when it is not clear ·
    why: there is no one type, for people
    """

    type: DeviceType | None
    candidates: tuple[str, ...] = ()
    why: str | None = None


class _Parts(NamedTuple):
    """A name taken apart.

    makers: whose words stand in it · whole: all of it in one word · plain: without makers and noise · family: without
    forms and size as well · forms: such as ``sxm4`` · size: memory in GB · words: the letters of what is left in the
    family, ``xeon``, ``rtx``, the ``a`` of ``a100``; the maker's where there are no others
    """

    makers: frozenset[str]
    whole: str
    plain: str
    family: str
    forms: frozenset[str]
    size: int | None
    words: frozenset[str]


class _Entry(NamedTuple):
    """A device type as it is called. names: its name in the catalogue first"""

    type: DeviceType
    names: tuple[_Parts, ...]
    makers: frozenset[str]


class Names:
    """All names of some device types, to look devices up by."""

    def __init__(self, named: Iterable[tuple[DeviceType, Sequence[str]]]) -> None:
        """``named``: device types with what else they are called, beside their name and model."""
        listed = list(named)
        self._maker_of = _maker_words(device for device, _ in listed)
        self._entries = [self._entry(device, names) for device, names in listed]
        self._architectures = frozenset("".join(_words((it.architecture or "").casefold())) for it, _ in listed)
        self._called: dict[str, list[_Entry]] = {}
        for entry in self._entries:
            words = {word for parts in entry.names for word in (parts.plain, parts.family)}
            for word in {*words, entry.names[0].whole}:
                self._called.setdefault(word, []).append(entry)
        self._known: dict[tuple[str, str | None, DeviceKind | None, float | None], Identified] = {}

    def identify(
        self,
        written: str,
        kind: DeviceKind | None = None,
        memory_bytes: float | None = None,
        maker: str | None = None,
    ) -> Identified:
        """Return which entry a device called ``written`` is.

        kind: what it is, if that is known; accelerators are taken for each other, as lists call any of them a GPU ·
        memory_bytes: what it reports to have, of a cpu what its machine has · maker: who makes it, if that is said
        apart from the name
        """
        key = (written, maker, kind, memory_bytes)
        if key not in self._known:
            found = self._identify(written, kind, memory_bytes, maker)
            shorter = self._without_asides(written)
            if found.type is None and not found.candidates and shorter != written.casefold():
                found = self._identify(shorter, kind, memory_bytes, maker)
            self._known[key] = found
        return self._known[key]

    def _without_asides(self, written: str) -> str:
        """Return a name without what does not say which device it is: its memory's kind, cooling, architecture."""

        def kept(aside: re.Match[str]) -> str:
            return " " if "".join(_words(aside[1])) in self._architectures else aside[0]

        return _BESIDE.sub(" ", _ASIDE.sub(kept, written[:200].casefold()))

    def _identify(
        self, written: str, kind: DeviceKind | None, memory_bytes: float | None, maker: str | None
    ) -> Identified:
        said = self._parts(written)
        makers = said.makers | (self._parts(maker).makers if maker else frozenset())
        # See _by_number for the last two.
        words = (said.plain, said.family, said.whole, said.family[:-2], said.family[:-3])
        called = {entry.type.name: entry for word in words for entry in self._called.get(word, ())}.values()
        possible = [item for item in called if _is_kind(item, kind) and (not makers or makers & item.makers)]
        for fits in (_by_name, _by_variant, _by_number):
            found = _to_the_letter(said, [entry for entry in possible if fits(said, entry)])
            if not found:
                continue
            left = [entry for entry in found if _may_have(entry.type, memory_bytes)]
            if len(left) == 1 and (fits is _by_number or memory_bytes or _says_which(said, left[0])):
                return Identified(left[0].type)
            return _undecided(left or found, bool(left), memory_bytes)
        return Identified(None, why="no device type is called so")

    def nearest(self, written: str, kind: DeviceKind | None = None) -> tuple[str, ...]:
        """Return up to three entries whose names look like ``written``, the nearest first. Takes milliseconds.

        They have a word in common with it, though it may be misspelt: the same number or maker alone says nothing.
        Those of the very ``kind`` come before other accelerators.
        """
        said = self._parts(written)
        words = {word for entry in self._entries for parts in entry.names for word in parts.words}
        meant = said.words & words
        meant |= {near for word in said.words for near in difflib.get_close_matches(word[:80], words, cutoff=_MISSPELT)}
        owners: dict[str, list[_Entry]] = {}
        for name, entries in (*self._called.items(), *((entry.type.name, [entry]) for entry in self._entries)):
            own = [item for item in entries if _is_kind(item, kind) and any(meant & it.words for it in item.names)]
            if own:
                owners.setdefault(name, []).extend(own)
        wanted = dict.fromkeys((said.plain[:80], said.family[:80], written.casefold()[:80]))
        close = [name for text in wanted for name in difflib.get_close_matches(text, owners, n=6, cutoff=_LOOKS_LIKE)]
        found = {owner.type.name: owner.type for name in close for owner in owners[name]}
        return tuple(sorted(found, key=lambda name: kind not in (None, "other", found[name].kind)))[:3]

    def _entry(self, device: DeviceType, names: Sequence[str]) -> _Entry:
        written = [device.name, *([device.model] if device.model else []), *names]
        parts = tuple(dict.fromkeys(self._parts(name) for name in written))
        vendor = self._parts(device.vendor or "").makers
        return _Entry(device, parts, vendor.union(*(item.makers for item in parts)))

    def _parts(self, written: str) -> _Parts:
        text = _DECORATION.sub(" ", written[:200].casefold()).replace("+", "plus")
        sizes = list(_SIZE.finditer(text))
        size = int(sizes[0][1] or sizes[0][2]) if len(sizes) == 1 else None
        words = _words(text)
        makers = frozenset(self._maker_of[word] for word in words if word in self._maker_of)
        plain = _squashed(words, self._maker_of)
        split = [word for piece in _words(_SIZE.sub(" ", text) if size else text) for word in _FORM.split(piece)]
        forms = frozenset(word for word in split if _IS_FORM.fullmatch(word))
        rest = [word for word in split if word not in forms]
        letters = [run for word in rest for run in re.findall(r"[^\W\d_]+", word) if run not in _NOISE | _ANY]
        known = frozenset(run for run in letters if run not in self._maker_of) or frozenset(letters)
        return _Parts(makers, "".join(words), plain, _squashed(rest, self._maker_of), forms, size, known)


def _maker_words(devices: Iterable[DeviceType]) -> dict[str, str]:
    """Return each word of a maker's name -> the maker, who is called as the names of its entries begin."""
    found: dict[str, str] = {}
    for device in devices:
        maker = device.name.split("-", maxsplit=1)[0]
        for word in (maker, *_words((device.vendor or "").casefold())):
            if word.isalpha() and len(word) > 2:
                found.setdefault(word, maker)
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _squashed(words: Sequence[str], makers: Mapping[str, str]) -> str:
    """Return the words in one, without makers and noise, unless too little would be left to tell devices apart."""
    kept = "".join(word for word in words if word not in makers and word not in _NOISE)
    return kept if kept[:1].isalpha() or len(kept) > 2 else "".join(words)


def _by_name(said: _Parts, entry: _Entry) -> bool:
    """Say whether the entry is called so, or is a variant of what is called so without saying which."""
    bare = not said.forms and said.size is None
    known = said.whole == entry.names[0].whole
    return known or (
        bool(said.plain) and any(said.plain in (own.plain, own.family if bare else None) for own in entry.names)
    )


def _to_the_letter(said: _Parts, entries: list[_Entry]) -> list[_Entry]:
    """Return the entries without those of a maker of which another one is called so to the letter."""
    exactly = [entry for entry in entries if any(said.whole == own.whole for own in entry.names)]
    makers = frozenset().union(*(entry.makers for entry in exactly))
    return exactly + [entry for entry in entries if not entry.makers & makers and entry not in exactly]


def _says_which(said: _Parts, entry: _Entry) -> bool:
    """Say whether a name is more than that of a family which the entry happens to be the only one of."""
    named = said.whole == entry.names[0].whole or any(said.plain == own.plain for own in entry.names)
    return named or bool(said.forms) or said.size is not None


def _by_variant(said: _Parts, entry: _Entry) -> bool:
    """Say whether the family is the entry's and nothing that is said beside it speaks against the entry."""
    own = [parts for parts in entry.names if parts.family == said.family]
    forms = {form for parts in entry.names for form in parts.forms} or _forms_of(entry.type)
    fits = all(any(form.startswith(theirs) or theirs.startswith(form) for theirs in forms) for form in said.forms)
    return bool(said.family) and bool(own) and fits and (said.size is None or _may_have(entry.type, said.size * _GB))


def _forms_of(device: DeviceType) -> frozenset[str]:
    """Return the form of a card whose names state none: that of one which is joined by PCI Express alone."""
    alone = device.interconnects and all(item.kind.startswith("pcie") for item in device.interconnects)
    return frozenset({"pcie"} if alone else ())


def _by_number(said: _Parts, entry: _Entry) -> bool:
    """Say whether the name ends in the entry's memory without a unit, as in ``a100-80``."""
    match = re.fullmatch(r"(.*[a-z]\d+)(\d{2,3})", said.family)
    if match is None or said.size is not None or entry.type.memory_bytes is None:
        return False
    return any(
        said.family == f"{parts.family}{round(entry.type.memory_bytes.value / _GB)}"
        for parts in entry.names
        if parts.family
    )


def _is_kind(entry: _Entry, kind: DeviceKind | None) -> bool:
    return kind in (None, "other") or (kind == "cpu") == (entry.type.kind == "cpu")


def _may_have(device: DeviceType, memory_bytes: float | None) -> bool:
    if memory_bytes is None or device.memory_bytes is None:
        return True
    low, high = _ON_BOARD if device.kind == "cpu" else _REPORTED
    return low * device.memory_bytes.value <= memory_bytes <= high * device.memory_bytes.value


def _undecided(entries: Sequence[_Entry], fitting: bool, memory_bytes: float | None) -> Identified:
    names = tuple(sorted(entry.type.name for entry in entries))
    if not fitting and memory_bytes is not None:
        has = format_quantity(memory_bytes, Dimension.BYTES)
        return Identified(None, candidates=names, why=f"none that is called so has {has} of memory")
    which = "it could be one of several" if len(names) > 1 else "it does not say which variant it is"
    return Identified(None, candidates=names, why=which)
