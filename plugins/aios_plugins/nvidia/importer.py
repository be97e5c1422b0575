"""Reads what ``nvidia-smi`` prints of a machine: its XML log, and what joins its GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Topology
from aios.spi.importer import Inventory, Machine
from aios.spi.matrix import Matrix, in_words, islands, pcie_tree, read_matrix
from aios.spi.probe import Found
from aios.spi.texts import place, text_of
from aios_plugins.nvidia.cards import Card, in_order, pcie_link
from aios_plugins.nvidia.log import link_bytes_per_s, read_log
from aios_plugins.nvidia.nvml import Gpu
from aios_plugins.nvidia.probe import found_of, grouped

__all__ = ["Importer"]

_END_OF_LOG = b"</nvidia_smi_log>"
_ENDING = re.compile(r"([-_.](topo|topology|matrix|nvlink|list|smi|nvidia-smi))+$", re.IGNORECASE)
_GPU = re.compile(r"^GPU (\d{1,4}): ([^\n]+)$", re.MULTILINE)
_RATE = re.compile(r"^[ \t]*Link \d{1,4}: (\d{1,4}(?:\.\d+)?) GB/s", re.MULTILINE)
_WORD_OF_THE_TOOL = re.compile(
    r"stdin|nvidia|nvsmi|smi|topo|topology|matrix|nvlink|links?|list|gpus?|log|query|[lmqsx]|", re.IGNORECASE
)
_PART = re.compile(r"^[ \t]+MIG (\S{1,40})[ \t]+Device", re.MULTILINE)


class Importer:
    """Reads ``nvidia-smi -q -x``, with ``topo -m``, ``nvlink -s`` and ``-L`` beside it."""

    name: ClassVar[str] = "nvidia-smi"
    api_version: ClassVar[int] = 1
    title: ClassVar[str] = "NVIDIA GPUs of machines, as nvidia-smi prints them"
    example: ClassVar[str] = "nvidia-smi -q -x > node7.xml; nvidia-smi topo -m > node7.topo.txt"
    options: ClassVar[Mapping[str, str]] = {
        "device": "what the GPUs are called, where only `topo -m` is there",
        "name": "what the machine is called; else its file's name without ending",
    }

    def read(self, texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
        """Return one machine per log; matrices and lists go with the log whose name they share.

        One that bears no machine's name, such as ``topo.txt``, goes with the only log.
        Raises InputError with every mistake of every file.
        """
        hosts, mistakes = _sorted_by_host(texts)
        if "name" in options and len(hosts) > 1:
            said = ", ".join(host.name for host in hosts[:5])
            summary = f"the option `name` names one machine, but there are {len(hosts)}: {said}"
            mistakes.append(Diagnostic(summary=summary, remedy="call each machine's files after it"))
        machines: list[Machine] = []
        notes: list[str] = []
        left_out: list[str] = []
        for host in hosts:
            try:
                machines.append(_machine(host, options, notes, left_out))
            except InputError as error:
                mistakes += error.diagnostics
        if mistakes:
            raise InputError(*mistakes)
        return Inventory(machines=tuple(machines), notes=tuple(notes), left_out=tuple(left_out))


@dataclass
class _Host:
    """One machine's files. log, others: (file name, content)."""

    name: str
    log: tuple[str, bytes] | None = None
    others: list[tuple[str, str]] = field(default_factory=list)


def _sorted_by_host(texts: Mapping[str, bytes]) -> tuple[list[_Host], list[Diagnostic]]:
    hosts: dict[str, _Host] = {}
    others: list[tuple[str, str]] = []
    mistakes: list[Diagnostic] = []
    for file, content in texts.items():
        log, end, rest = content.partition(_END_OF_LOG) if content.lstrip()[:1] == b"<" else (b"", b"", content)
        if _END_OF_LOG in rest:
            summary = f"{file} holds the logs of several machines"
            mistakes.append(Diagnostic(summary=summary, where=place(file), remedy="give each its own file"))
            continue
        if log:
            name = _host_name(file)
            if name in hosts:
                mistakes.append(Diagnostic(summary=f"there are two logs of machine `{name}`", where=place(file)))
            hosts[name] = _Host(name, (file, log + end))
        if rest.strip() or not log:
            try:
                others.append((file, text_of(rest, file)))
            except InputError as error:
                mistakes += error.diagnostics
    logs = list(hosts)
    for file, text in others:
        name = _host_name(file)
        if name not in hosts and logs and _names_no_machine(name):
            name = logs[0]
            if len(logs) > 1:
                summary = f"{file} does not say which machine it is of: there are the logs of {', '.join(logs[:5])}"
                remedy = f"call it after its machine, such as `{name}.topo.txt`"
                mistakes.append(Diagnostic(summary=summary, where=place(file), remedy=remedy))
        hosts.setdefault(name, _Host(name)).others.append((file, text))
    return list(hosts.values()), mistakes


def _names_no_machine(name: str) -> bool:
    """Say whether a file is called after the tool, its options or what it prints: ``nvidia-smi-topo-m``, ``stdin``."""
    return all(_WORD_OF_THE_TOOL.fullmatch(word) for word in re.split(r"[-_.]+", name))


def _host_name(file: str) -> str:
    """Return the machine that a file is of: ``out/node7.topo.txt`` is of ``node7``."""
    base = re.split(r"[/\\]", file)[-1]
    stem = re.sub(r"\.(xml|txt|log|out)$", "", base, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]", "", _ENDING.sub("", stem)) or "machine"


def _machine(host: _Host, options: Mapping[str, str], notes: list[str], left_out: list[str]) -> Machine:
    name = options.get("name") or host.name
    matrices = [(file, found) for file, text in host.others if (found := read_matrix(text, "GPU"))]
    matrix = matrices[0][1] if matrices else None
    listed = _all_listed(host)
    unread = [file for file, text in host.others if not _listed(text) and file not in dict(matrices)]
    cards = read_log(*host.log) if host.log else _cards_without_log(host, matrix, listed, options)
    left_out += [f"{file}: nothing that nvidia-smi prints and that can be read here" for file in unread]
    left_out += [f"{file}: a further matrix of {name}, which is not used" for file, _ in matrices[1:]]
    cards = [_with_parts(card, listed.get(number)) for number, card in enumerate(cards)]
    notes += _busy(name, cards)
    for number, card in enumerate(cards):
        if card.gpu.mig and not card.gpu.parts:
            left_out.append(
                f"{name}: GPU {number} is in MIG mode and its instances' profiles are not told (`nvidia-smi -L` tells "
                "them): it counts as taken"
            )
    if matrix is not None and len(matrix.devices) != len(cards):
        left_out.append(f"{name}: the matrix has {len(matrix.devices)} GPUs, the log {len(cards)}: it is not used")
        matrix = None
    if matrix is None and len(cards) > 1:
        notes.append(f"{name}: what joins its GPUs is not told; add the output of `nvidia-smi topo -m`")
    topology = _topology(matrix, cards, listed) if matrix else ()
    notes += [f"{name}: {in_words(level)}" for level in topology]
    if any(level.kind == "full" and level.bandwidth_bytes_per_s is None for level in topology):
        notes.append(
            f"{name}: what one NVLink carries is not told; it follows from the catalogue where that counts the links "
            "of this GPU, and the output of `nvidia-smi nvlink -s` tells it"
        )
    return Machine(
        name=name,
        devices=tuple(_found(members) for members in grouped(cards)),
        topology=topology,
        line=1,
    )


def _found(cards: Sequence[Card]) -> Found:
    """Return cards of one type; those whose MIG instances are not known are taken: none is usable as a whole."""
    found = found_of(cards, "nvidia-smi")
    closed = cards[0].gpu.mig and not found.partitions
    return found.model_copy(update={"used": (1.0,) * len(cards)}) if closed else found


def _listed(text: str) -> list[tuple[str, str, str]]:
    """Return number, model and what stands below each GPU in the output of ``nvidia-smi -L`` or ``nvlink -s``."""
    found = list(_GPU.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)] * bool(found)
    return [
        (match[1], match[2].partition("(UUID:")[0].strip(), text[match.end() : end])
        for match, end in zip(found, ends, strict=True)
    ]


def _all_listed(host: _Host) -> dict[int, tuple[str, str]]:
    """Return GPU number -> model, and what all files of a machine say below it."""
    listed: dict[int, tuple[str, str]] = {}
    for text in dict.fromkeys(text for _, text in host.others):
        for number, model, rest in _listed(text):
            before = listed.get(int(number), (model, ""))
            listed[int(number)] = (before[0], before[1] + rest)
    return listed


def _busy(name: str, cards: Sequence[Card]) -> list[str]:
    """Say which GPUs were busy when they were asked: that takes nothing of them."""
    busy = [f"GPU {n} {card.utilisation:.0%}".replace("%", " %") for n, card in enumerate(cards) if card.utilisation]
    if not busy:
        return []
    more = f" and {len(busy) - 8} more" if len(busy) > 8 else ""
    return [f"{name}: busy at that moment, which counts for nothing: {', '.join(busy[:8])}{more}"]


def _cards_without_log(
    host: _Host, matrix: Matrix | None, listed: Mapping[int, tuple[str, str]], options: Mapping[str, str]
) -> list[Card]:
    if matrix is None and not listed:
        file = host.others[0][0] if host.others else host.name
        raise InputError(
            Diagnostic(
                summary=f"{file} is nothing that nvidia-smi prints and that can be read here",
                where=place(file),
                reason="it is no XML log, no connection matrix and no list of GPUs",
                remedy="give the XML log, and the matrix beside it",
                command="nvidia-smi -q -x > node.xml; nvidia-smi topo -m > node.topo.txt",
            )
        )
    count = len(matrix.devices) if matrix else len(listed)
    unnamed = options.get("device", "NVIDIA GPU")
    return [Card(gpu=Gpu(name=listed[number][0] if number in listed else unnamed)) for number in range(count)]


def _with_parts(card: Card, listed: tuple[str, str] | None) -> Card:
    parts = tuple(_PART.findall(listed[1])) if listed else ()
    return card.model_copy(update={"gpu": card.gpu.model_copy(update={"parts": parts, "mig": True})}) if parts else card


def _topology(matrix: Matrix, cards: Sequence[Card], listed: Mapping[int, tuple[str, str]]) -> tuple[Topology, ...]:
    """Return what joins the whole GPUs of a machine, by the ids that they get."""
    places = {id(card): str(number) for number, card in enumerate(in_order(cards))}
    names = {device: places[id(card)] for device, card in zip(matrix.devices, cards, strict=True) if not card.gpu.mig}
    told = [[float(rate) for rate in _RATE.findall(rest)] for _, rest in listed.values()]
    rates = [rate for links in told for rate in links]
    matrix = matrix.renamed(names)
    speed, ref = (min(rates) * 1e9, "nvidia-smi nvlink -s") if rates else link_bytes_per_s(cards)
    most = max((len(links) for links in told), default=0) or None
    width, interconnect = pcie_link([card.gpu.pcie for card in cards])
    return (*islands(matrix, speed, ref, links=most), *pcie_tree(matrix, width, interconnect or "pcie"))
