"""``slurm.conf`` -> nodes, with the partitions that they are in.

Source: Slurm, slurm.conf manual.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from aios.records.errors import BadValue
from aios.records.hosts import expand, host_count
from aios.spi.texts import Remarks
from aios_plugins.slurm.gres import gres_list
from aios_plugins.slurm.lines import File, Line
from aios_plugins.slurm.nodes import Description, Node, state_words

__all__ = ["MOST_NODES", "Configuration"]

MOST_NODES = 200_000
"""More nodes than this are refused: no cluster has them."""
_MOST_COMPARED = 5_000
"""Names that an unknown one is compared with: some 30 ms."""
_NUMBERS = {
    "boards": "Boards", "cpus": "CPUs", "procs": "Procs", "sockets": "Sockets", "socketsperboard": "SocketsPerBoard",
    "corespersocket": "CoresPerSocket", "threadspercore": "ThreadsPerCore", "realmemory": "RealMemory",
    "memspeclimit": "MemSpecLimit", "corespeccount": "CoreSpecCount", "tmpdisk": "TmpDisk",
}  # fmt: skip
_OTHERS = {
    "nodename": "NodeName", "nodehostname": "NodeHostname", "nodeaddr": "NodeAddr", "bcastaddr": "BcastAddr",
    "cpubind": "CpuBind", "cpuspeclist": "CPUSpecList", "feature": "Feature", "features": "Features", "gres": "Gres",
    "port": "Port", "reason": "Reason", "state": "State", "weight": "Weight", "extra": "Extra", "topology": "Topology",
    "instanceid": "InstanceId", "instancetype": "InstanceType", "restrictedcorespergpu": "RestrictedCoresPerGPU",
    "parameters": "Parameters", "certtoken": "CertToken", "uptime": "UpTime", "comment": "Comment",
}  # fmt: skip
_KNOWN = {**_NUMBERS, **_OTHERS}
_LARGEST = 10**12


class Configuration:
    """What one or several files say together. cluster: its name."""

    def __init__(self, files: Sequence[File], notes: Remarks, left_out: Remarks) -> None:
        """Read ``files``, the included ones where they are included; mistakes are noted in the files.

        Raises InputError, with the mistakes so far, at the first node that is one too many.
        """
        self.cluster: str | None = None
        self.nodes: dict[str, Node] = {}
        self._notes = notes
        self._left_out = left_out
        self._defaults: dict[str, str] = {}
        self._partitions: list[tuple[File, Line]] = []
        self._sets: dict[str, tuple[File, Line]] = {}
        self._down: list[tuple[File, Line]] = []
        for file, line in _in_order(files, left_out):
            self._take(file, line)
        self._fill_partitions()
        self._set_down()

    def _take(self, file: File, line: Line) -> None:
        first = line.first()
        if "nodename" in line.pairs:
            self._node_line(file, line)
        elif first == "partitionname":
            self._partitions.append((file, line))
        elif first == "nodeset":
            self._sets[line.pairs[first]] = (file, line)
        elif first == "downnodes":
            self._down.append((file, line))
        elif first == "clustername":
            self.cluster = line.pairs[first][:100] or None

    def _node_line(self, file: File, line: Line) -> None:
        for key in line.pairs:
            if key not in _KNOWN:
                near = _near(file, key, _KNOWN, 0.7)
                remedy = f"did you mean `{_KNOWN[near]}`?" if near else None
                file.wrong(line, key, f"`{line.keys[key]}` is nothing that a node has", remedy)
        if line.pairs["nodename"].upper() == "DEFAULT":
            self._defaults |= {key: value for key, value in line.pairs.items() if key != "nodename"}
            self._description(file, line, line.pairs)
            return
        description = self._description(file, line, {**self._defaults, **line.pairs})
        for name in names(file, line, "nodename"):
            if "FUTURE" in description.state:
                self._left_out.add("nodes whose state is FUTURE are not there yet", name)
            elif name in self.nodes:
                reason = f"the other one is described on line {self.nodes[name].line}"
                file.wrong(line, "nodename", f"there are two nodes called `{name}`", reason=reason)
            elif len(self.nodes) >= MOST_NODES:
                file.wrong(line, "nodename", f"there are more than {MOST_NODES:,} nodes")
                file.mistakes.raise_any()
            else:
                self.nodes[name] = Node(name, line.number, description)

    def _description(self, file: File, line: Line, pairs: Mapping[str, str]) -> Description:
        numbers = {key: number for key in _NUMBERS if (number := _number(file, line, pairs, key)) is not None}
        threads = numbers.get("threadspercore", 1)
        sockets = numbers.get("sockets") or numbers.get("boards", 1) * numbers.get("socketsperboard", 1)
        physical = sockets * numbers.get("corespersocket", 1)
        said = "corespersocket" in numbers or "sockets" in numbers or "socketsperboard" in numbers
        cpus = numbers.get("cpus") or numbers.get("procs") or (physical * threads if said else None)
        if cpus is not None and said and cpus not in (physical, physical * threads):
            self._notes.add(f"CPUs={cpus} is not what sockets, cores and threads multiply to, as Slurm says as well")
        spared = numbers.get("corespeccount", 0) * threads
        if pairs.get("cpuspeclist"):
            spared = _spec_count(pairs["cpuspeclist"])
        memory = numbers.get("realmemory")
        limit = numbers.get("memspeclimit", 0)
        try:
            gres = tuple(gres_list(pairs.get("gres", "")))
        except BadValue as error:
            file.wrong(line, "gres", f"`Gres`: {error.summary}", error.remedy)
            gres = ()
        features = pairs.get("feature") or pairs.get("features") or ""
        return Description(
            cpus=max(1, cpus - spared) if cpus else None,
            physical=physical if said else None,
            memory_mib=max(0, memory - limit) if memory else None,
            gres=gres,
            features=tuple(word for word in re.split(r"[,&|]", features) if word and word.lower() != "(null)"),
            state=state_words(pairs.get("state", "")),
            reason=pairs.get("reason", ""),
            taken=(),
            reserved=bool(spared or limit),
        )

    def _fill_partitions(self) -> None:
        member_of: dict[str, dict[str, None]] = {}
        default = "ALL"
        for file, line in self._partitions:
            name = line.pairs["partitionname"]
            if name.upper() == "DEFAULT":
                default = line.pairs.get("nodes", default)
                continue
            for node in self._members(file, line, line.pairs.get("nodes", default), depth=0):
                member_of.setdefault(node, {})[name] = None
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        for node, partitions in member_of.items():
            key = tuple(partitions)
            self.nodes[node].partitions = shared.setdefault(key, key)

    def _members(self, file: File, line: Line, text: str, depth: int) -> Iterator[str]:
        """Yield the nodes of a list that may name node sets and ALL as well."""
        if text.upper() == "ALL":
            yield from self.nodes if _few(file, line, "nodes", len(self.nodes)) else ()
            return
        for name in _expanded(file, line, "nodes", text):
            if name in self._sets and depth < 4:
                inner_file, inner = self._sets[name]
                feature = inner.pairs.get("feature")
                if feature and _few(file, line, "nodes", len(self.nodes)):
                    yield from (node.name for node in self.nodes.values() if feature in node.description.features)
                if inner.pairs.get("nodes"):
                    yield from self._members(inner_file, inner, inner.pairs["nodes"], depth + 1)
            elif name in self.nodes:
                yield name
            else:
                near = _near(file, name, self.nodes, 0.8)
                remedy = f"did you mean `{near}`?" if near else "describe it with `NodeName=`"
                file.wrong(line, "nodes", f"there is no node `{name}`", remedy)

    def _set_down(self) -> None:
        for file, line in self._down:
            words = state_words(line.pairs.get("state", "DOWN"))
            changed: dict[int, Description] = {}  # nodes that share a description share the new one
            for name in self._members(file, line, line.pairs["downnodes"], depth=0):
                old = self.nodes[name].description
                if id(old) not in changed:
                    new = replace(old, state=words, reason=line.pairs.get("reason", ""))
                    changed |= {id(old): new, id(new): new}
                self.nodes[name].description = changed[id(old)]


def names(file: File, line: Line, key: str) -> Sequence[str]:
    """Return the names that the host list behind ``key`` stands for; a mistake is noted in the file."""
    return _expanded(file, line, key, line.pairs[key])


def _expanded(file: File, line: Line, key: str, text: str) -> Sequence[str]:
    try:
        number = host_count(text)
        if number > MOST_NODES:
            raise BadValue(f"it stands for more than {MOST_NODES:,} nodes", "write only the nodes that are there")
        return expand(text) if _few(file, line, key, number) else ()
    except BadValue as error:
        file.wrong(line, key, f"`{line.keys.get(key, key)}`: {error.summary}", error.remedy)
        return ()


def _few(file: File, line: Line, key: str, number: int) -> bool:
    """Say whether so many names more may be looked at; that they may not is a mistake."""
    if file.naming(number):
        return True
    remedy = "name each node once for a partition, and the partitions that there are"
    file.wrong(line, key, "the lists up to here stand for more names than any cluster's", remedy)
    return False


def _near(file: File, name: str, known: Iterable[str], cutoff: float) -> str | None:
    """Return the known name that is most like ``name``; None where none is, or nobody is told any more."""
    if file.mistakes.full:
        return None
    return next(iter(difflib.get_close_matches(name, list(islice(known, _MOST_COMPARED)), n=1, cutoff=cutoff)), None)


def _number(file: File, line: Line, pairs: Mapping[str, str], key: str) -> int | None:
    text = pairs.get(key)
    if text is None:
        return None
    number = int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None
    if number is None or number > _LARGEST or (number == 0 and key not in ("tmpdisk", "memspeclimit", "corespeccount")):
        remedy = "write a whole number"
        if key in ("realmemory", "memspeclimit", "tmpdisk"):
            remedy += ": Slurm counts memory in MiB, without a unit, such as `RealMemory=512000`"
        if key in line.pairs:  # of a default, it has been said where that stands
            file.wrong(line, key, f"`{_KNOWN[key]}`: `{text[:40]}` is no number of it", remedy)
        return None
    return number


def _spec_count(text: str) -> int:
    """Return how many CPUs a list such as ``0-3,64`` names."""
    found = re.findall(r"(?<![0-9])([0-9]{1,5})(?:-([0-9]{1,5}))?(?![0-9])", text)
    return sum(max(0, int(last or first) - int(first) + 1) for first, last in found)


def _in_order(files: Sequence[File], left_out: Remarks) -> Iterator[tuple[File, Line]]:
    """Yield the lines of all files, those of a file that another one includes where it is included."""
    by_name = {re.split(r"[/\\]", file.name)[-1]: file for file in files}
    included = {
        base for file in files for line in file.lines if line.include and (base := _base(line.include)) in by_name
    }
    seen: set[str] = set()

    def lines_of(file: File) -> Iterator[tuple[File, Line]]:
        seen.add(file.name)
        for line in file.lines:
            target = by_name.get(_base(line.include)) if line.include else None
            if line.include is None:
                yield file, line
            elif target is None:
                left_out.add(f"`Include {line.include[:100]}` ({file.name}:{line.number}): that file is not given")
            elif target.name in seen:
                file.mistakes.add(f"`{line.include[:100]}` is included a second time, or includes itself", line.number)
            else:
                yield from lines_of(target)

    for file in files:
        if re.split(r"[/\\]", file.name)[-1] not in included:
            yield from lines_of(file)
    for file in files:
        if file.name not in seen:  # files that include each other
            yield from lines_of(file)


def _base(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]
