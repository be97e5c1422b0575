"""Written links -> records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from aios.fleet.devices import fact_of
from aios.fleet.files.machinenames import MachineNames
from aios.fleet.files.places import Place, did_you_mean, known_names
from aios.fleet.files.plausible import implausible_connection
from aios.fleet.forms.fleet import LinkForm
from aios.records.errors import Diagnostic
from aios.records.fleet import Link, Node
from aios.records.units import Dimension

__all__ = ["links_of"]


def links_of(
    written: Iterable[tuple[LinkForm, Place]], nodes: Sequence[Node], mistakes: list[Diagnostic]
) -> tuple[Link, ...]:
    """Return the links between nodes (``a``), machines (``a-3``), or devices of one node (``a/0``).

    mistakes: receives ends that do not exist, both ends the same, ends of unlike kinds, a link that stands twice
    """
    by_name = {node.name: node for node in nodes}
    machines = MachineNames()
    for node in nodes:
        machines.add(node)
    found: list[Link] = []
    first: dict[tuple[str | None, ...], Place] = {}
    for form, place in written:
        mistakes.extend(implausible_connection(form, place))
        wrong = [*_unknown_ends(form, place / "between", by_name, machines), *_unlike_ends(form, place / "between")]
        key = (*sorted(form.between), form.interconnect)
        if not wrong and key in first:
            wrong.append(
                (place / "between").mistake(
                    f"the link between `{key[0]}` and `{key[1]}` stands twice",
                    "write one, with the bandwidth of all that run side by side",
                    f"first at {first[key].span}",
                )
            )
        first.setdefault(key, place)
        mistakes.extend(wrong)
        bandwidth = fact_of(form.bandwidth, Dimension.BANDWIDTH)
        if bandwidth is not None and not wrong:
            latency = fact_of(form.latency, Dimension.TIME)
            link = Link(
                ends=form.between, interconnect=form.interconnect, bandwidth_bytes_per_s=bandwidth, latency_s=latency
            )
            found.append(link)
    return tuple(found)


def _unknown_ends(
    form: LinkForm, at: Place, by_name: Mapping[str, Node], machines: MachineNames
) -> Iterator[Diagnostic]:
    for position, end in enumerate(form.between):
        name, slash, device = end.partition("/")
        node = by_name.get(name)
        if node is None and (slash or machines.node_of(name) is None):
            remedy = did_you_mean(name, by_name) or known_names(by_name)
            yield (at / position).mistake(f"there is no node `{name}`", remedy)
        elif node is not None and slash:
            known = [id_ for slot in node.devices for id_ in slot.ids]
            if device not in known:
                remedy = did_you_mean(device, known) or known_names(known) or "it has no devices: name the node itself"
                yield (at / position).mistake(f"node `{name}` has no device `{device}`", remedy)


def _unlike_ends(form: LinkForm, at: Place) -> Iterator[Diagnostic]:
    one, other = form.between
    if one == other:
        yield at.mistake(f"a link joins two different ends, not `{one}` to itself", "see `topology` for many at once")
    elif ("/" in one) != ("/" in other):
        yield at.mistake(f"`{one}` and `{other}` are not of one kind", "name two nodes, or two devices of one node")
    elif "/" in one and one.partition("/")[0] != other.partition("/")[0]:
        reason = "devices of different machines reach each other by way of their machines"
        yield at.mistake(f"`{one}` and `{other}` are devices of two nodes", "link the nodes themselves", reason)
