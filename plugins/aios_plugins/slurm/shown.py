"""What ``scontrol show nodes`` prints, on many lines, on one line per node (``-o``) or as JSON, -> nodes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aios.records.errors import BadValue, Diagnostic, InputError
from aios.spi.jsontext import JsonText
from aios.spi.texts import Mistakes, place
from aios_plugins.slurm.gres import Gres, gres_list, of_tres
from aios_plugins.slurm.lines import File
from aios_plugins.slurm.nodes import Description, Node, state_words

__all__ = ["is_json", "is_shown", "json_nodes", "shown_nodes"]

_KEY = re.compile(r"(?:^|(?<=\s))([A-Z][A-Za-z_]+)=")
_START = re.compile(r"^[ \t]*NodeName=\S*[ \t]", re.MULTILINE)
_FREE = ("Reason", "Comment", "Extra", "OS")
"""Fields with blanks in them; the first three end a line, or all that is on it."""
_AFTER_FREE = ("Comment", "Extra", "InstanceId", "InstanceType", "ResumeAfterTime")
_COMMAND = "scontrol show nodes -d > nodes.txt"


def is_shown(text: str) -> bool:
    """Say whether a text is what ``scontrol show nodes`` prints."""
    return _START.search(text) is not None and "CPUTot=" in text


def is_json(text: str) -> bool:
    """Say whether a text is meant to be JSON."""
    return text.lstrip()[:1] in ("{", "[")


def shown_nodes(file: File) -> Iterator[Node]:
    """Yield the nodes of the text; mistakes are noted in ``file``."""
    lines = file.text.split("\n")
    starts = [number for number, line in enumerate(lines) if _START.match(f"{line} ")]
    cut = next((number for number, line in enumerate(lines[: starts[0]]) if "CPUTot=" in line), None)
    if cut is not None:
        file.mistakes.add("this is of a node whose beginning is missing", cut + 1, remedy="give the whole output")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        fields = dict(_fields(lines[start:end]))

        def wrong(key: str, error: BadValue, start: int = start, end: int = end) -> None:
            number = next((n for n in range(start, end) if f"{key}=" in lines[n]), start)
            file.mistakes.add(
                f"`{key}`: {error.summary}", number + 1, lines[number].find(f"{key}=") + 1, None, error.remedy
            )

        if not fields["NodeName"]:
            file.mistakes.add("a node has no name", start + 1)
        yield Node(
            fields["NodeName"],
            start + 1,
            _description(fields, wrong),
            tuple(word for word in fields.get("Partitions", "").split(",") if word),
        )


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a node, the first of each name."""
    seen: set[str] = set()
    for line in lines:
        found = list(_KEY.finditer(line))
        free = next((index for index, key in enumerate(found) if key[1] in _FREE[:3]), None)
        if free is not None:
            found = found[: free + 1] + [key for key in found[free + 1 :] if key[1] in _AFTER_FREE]
        for index, key in enumerate(found):
            end = found[index + 1].start() if index + 1 < len(found) else len(line)
            value = line[key.end() : end].strip()
            if key[1] not in seen:
                seen.add(key[1])
                yield key[1], value if key[1] in _FREE else value.partition(" ")[0]


def _description(fields: Mapping[str, str], wrong: Callable[[str, BadValue], None]) -> Description:
    def number(key: str) -> int | None:
        text = fields.get(key, "")
        if text.upper() in ("", "N/A", "(NULL)"):
            return None
        if not re.fullmatch(r"[0-9]{1,15}", text):
            wrong(key, BadValue(f"`{text[:40]}` is no whole number", "give what scontrol prints, as it is"))
            return None
        return int(text)

    def gres(key: str) -> tuple[Gres, ...]:
        try:
            return tuple(gres_list(fields.get(key, "")))
        except BadValue as error:
            wrong(key, error)
            return ()

    total, usable = number("CPUTot"), number("CPUEfctv")
    memory, limit = number("RealMemory"), number("MemSpecLimit") or 0
    sockets, cores = number("Sockets"), number("CoresPerSocket")
    has = fields.get("Gres", "")
    return Description(
        cpus=usable or total,
        physical=sockets * cores if sockets and cores else None,
        memory_mib=max(0, memory - limit)
        if memory and memory > 1
        else None,  # 1: what Slurm assumes of what it has not seen
        gres=gres("Gres"),
        taken=gres("GresUsed") if "GresUsed" in fields else _taken(fields, has),
        taken_cpus=float(number("CPUAlloc") or 0),
        taken_mib=float(number("AllocMem") or 0),
        features=tuple(word for word in fields.get("ActiveFeatures", "").split(",") if word not in ("", "(null)")),
        architecture="" if fields.get("Arch") in (None, "N/A", "(null)") else fields["Arch"],
        state=state_words(fields.get("State", "")),
        reason=re.sub(r"\s*\[[^\[\]]*\]$", "", fields.get("Reason", "")),
        reserved=bool(limit or (total and usable and usable < total)),
    )


def _taken(fields: Mapping[str, str], has: str) -> tuple[Gres, ...] | None:
    """Return what is taken of the generic resources as far as accounting says so; None if it does not count them."""
    if "gres/" in fields.get("CfgTRES", "") or "gres/" in fields.get("AllocTRES", ""):
        every = list(of_tres(fields.get("AllocTRES", "")))
        typed = {item.name for item in every if item.type}
        return tuple(item for item in every if item.type or item.name not in typed)
    return () if not has or fields.get("CPUAlloc") == "0" else None


def json_nodes(file: File) -> Iterator[Node]:
    """Yield the nodes of ``scontrol --json show nodes``, or of ``sinfo --json`` as far as that lists them.

    Raises InputError for what is no JSON and has no nodes.
    """
    reader = JsonText(file.text, file.mistakes)
    listed = False
    for key, _ in reader.members() if reader.mark() == "{" else ():
        if key == "nodes" and reader.mark() == "[":
            listed = True
            for at in reader.items():
                yield from _of_item(reader.value(), reader.line(at), file.mistakes)
        else:
            reader.value()
    if not listed and reader.mark():
        reader.value()
    if reader.mark():
        raise reader.wrong("there is more behind the end of the JSON", reader.at, "give one output in a file")
    if not listed:
        raise InputError(
            Diagnostic(
                summary=f"{file.name} is JSON without a list of `nodes`",
                where=place(file.name),
                remedy="give what scontrol prints of nodes",
                command="scontrol --json show nodes > nodes.json",
            )
        )


def _of_item(item: Any, line: int, mistakes: Mistakes) -> Iterator[Node]:
    """Yield the node that an object describes; one without a name is a mistake."""
    name = item.get("name") if isinstance(item, dict) else None
    if isinstance(name, str) and name:
        yield _of_json(item, name, line, mistakes)
    else:
        mistakes.add("a node has no `name`", line)


def _of_json(item: Mapping[str, Any], name: str, line: int, mistakes: Mistakes) -> Node:
    def text(*keys: str) -> str:
        """Return a field as scontrol would print it; numbers may stand in ``{"set": true, "number": 4}``."""
        for key in keys:
            value = item.get(key)
            if isinstance(value, dict):
                value = value.get("number") if value.get("set", True) else None
            if isinstance(value, list):
                value = ",".join(str(word) for word in value)
            if value is not None and not isinstance(value, bool | dict):
                return str(value)
        return ""

    fields = {
        "Arch": text("architecture"),
        "CoresPerSocket": text("cores"),
        "CPUTot": text("cpus"),
        "CPUEfctv": text("effective_cpus"),
        "CPUAlloc": text("alloc_cpus"),
        "ActiveFeatures": text("active_features", "features"),
        "Gres": text("gres"),
        "RealMemory": text("real_memory"),
        "MemSpecLimit": text("specialized_memory", "mem_spec_limit"),
        "AllocMem": text("alloc_memory"),
        "Sockets": text("sockets"),
        "CfgTRES": text("tres"),
        "AllocTRES": text("tres_used"),
        "Reason": text("reason"),
        "State": "+".join(
            word for word in (text("state").replace(",", "+"), text("state_flags").replace(",", "+")) if word
        ),
    }
    if text("gres_used"):
        fields["GresUsed"] = text("gres_used")

    def wrong(key: str, error: BadValue) -> None:
        mistakes.add(f"`{key}` of node `{name}`: {error.summary}", line, remedy=error.remedy)

    partitions = tuple(word for word in text("partitions").split(",") if word)
    return Node(name, line, _description(fields, wrong), partitions)
