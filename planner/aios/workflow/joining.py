"""What joins the machines that stages of pipelines may stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.joins import NOTHING_KNOWN, Joins

__all__ = ["joins_of", "refuse_pipelines", "refuse_splits"]


def joins_of(intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], fleet: Fleet) -> Joins:
    """Return the ways between machines on which a plan may place stages; only these are looked at.

    A plan takes the first machines of a node, and no more of them than all intents have parts there.
    """
    stages = [intent.name for intent in intents if intent.pipeline is not None]
    used = {name for stage in stages for option in options[stage] for name in option.candidate.nodes}
    most = dict.fromkeys(used, 0)
    for own in options.values():
        parts: dict[str, int] = {}
        for candidate in (option.candidate for option in own):
            for name in used.intersection(candidate.nodes):
                parts[name] = max(parts.get(name, 0), candidate.parts)
        for name, count in parts.items():
            most[name] += count
    nodes = [node for node in fleet.nodes if node.name in used]
    machines = [name for node in nodes for name in node.instances()[: most[node.name]]]
    if len(machines) < 2:
        return NOTHING_KNOWN
    from aios.fleet.topology.fabric import fabric_of
    from aios.workflow.connecting import read_interconnects

    return Joins(fabric_of(fleet, read_interconnects(), machines), machines)


def refuse_pipelines(intents: Sequence[Intent], command: str) -> None:
    """Raise InputError where a pipeline is among intents of which a command takes each for itself."""
    pipelines = {intent.pipeline.name: intent.pipeline for intent in intents if intent.pipeline is not None}
    if pipelines:
        raise InputError(
            *(
                Diagnostic(
                    summary=f"`aios {command}` does not take pipelines, and `{name}` is one",
                    where=pipeline.where,
                    reason="it takes each intent for itself, and the stages of a pipeline keep bounds together",
                    remedy="leave it out; `aios plan` plans it",
                )
                for name, pipeline in pipelines.items()
            )
        )


def refuse_splits(intents: Sequence[Intent], command: str, instead: str | None = None) -> None:
    """Raise InputError where the load of a service is split and a command gives each service one kind of device."""
    found = [intent for intent in intents if intent.load is not None and intent.load.split is not None]
    if found:
        raise InputError(
            *(
                Diagnostic(
                    summary=f"`aios {command}` does not split the load of `{intent.name}`",
                    where=intent.spans.get("spec.load.split", intent.where),
                    remedy=f"leave `split` out and say `{instead}`"
                    if instead
                    else "leave it out; `aios plan` splits it",
                )
                for intent in found
            )
        )
