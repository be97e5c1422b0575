"""What a plan was made from, part by part and in short: enough to say later what has changed, never enough to plan.

Values that people wrote stand as they are; what is long, or the content of a file, stands as a short digest. What has
its default is not named, as in files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aios.records.base import Record, digest_of
from aios.records.demanded import Demanded
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.measurement import Measurement
from aios.records.objective import Objective
from aios.records.state import State

__all__ = ["Basis", "Parts", "basis_of", "short_digest"]

Parts = Mapping[str, Mapping[str, str]]
"""Thing -> part of it -> what that is, in short."""

Basis = Mapping[str, Parts]
"""Name of a fingerprint -> what it is taken of."""

_SHOWN_DIGEST = len("sha256:") + 8
_LONGEST = 120
"""Characters of a value that are kept; of a longer one its digest is."""

_MOST_THINGS = 500
"""Nodes, device types and the like of a fleet that are kept part by part; of more of them, each has its digest alone: a
plan should not be larger than the fleet that it was made for."""

_PLACES = {"where", "spans", "stored"}


def short_digest(value: Any) -> str:
    """Return the first digits of a digest: enough to tell contents apart, and to read."""
    text = value if isinstance(value, str) and value.startswith("sha256:") else digest_of(value)
    return text[:_SHOWN_DIGEST]


def basis_of(
    *,
    intents: Sequence[Intent],
    demands: Sequence[Demanded],
    objective: Objective | None,
    fleet: Fleet,
    models: Mapping[str, str],
    data: Mapping[str, str],
    measurements: Mapping[str, Measurement],
    learnt: Mapping[str, str],
    state: State,
    rules: Mapping[str, Record],
    stored: Mapping[str, str] = {},
) -> Basis:
    """Return the parts. models: path -> digest of a model · stored: reference to a model store -> version that it
    stands for, ``digits@v3`` · data: what the data is for -> digest · measurements: those
    that matter, by subject · learnt: file name -> digest of what was learnt · rules: of policies, by name"""
    stated = {item.name: _leaves_of(item) for item in intents}
    # Each stage knows all of its pipeline: that is told once.
    stated |= {f"pipeline {item.pipeline.name}": _leaves_of(item.pipeline) for item in intents if item.pipeline}
    stated |= {item.name: _leaves_of(item) for item in demands}
    if objective is not None:
        stated[f"objective {objective.name}"] = _leaves_of(objective)
    return {
        "intents": stated,
        "fleet": _fleet(fleet),
        "models": {
            **{name: {"content": short_digest(digest)} for name, digest in {**models, **data}.items()},
            **{name: {"version": _version(told, models[name])} for name, told in stored.items()},
        },
        "profiles": _measured(measurements, {profile: path for path, profile in models.items()}, learnt),
        "catalogue": _things({f"device type {name}": item for name, item in fleet.types.items()}),
        "state": {
            name: {"applied": f"by plan {short_digest(item.plan)} at {item.applied_at}"}
            for name, item in state.resources.items()
        },
        **({"policies": {name: _leaves_of(rule) for name, rule in rules.items()}} if rules else {}),
    }


def _version(reference: str, digest: str) -> str:
    return f"{reference.rpartition('@')[2]} ({short_digest(digest)})"


def _fleet(fleet: Fleet) -> Parts:
    things: dict[str, Record] = {f"node {node.name}": node for node in fleet.nodes}
    things |= {f"link {link.ends[0]} - {link.ends[1]}": link for link in fleet.links}
    things |= {f"topology {item.name}": item for item in fleet.topology}
    things |= {f"power cap of {cap.whose}": cap for cap in fleet.power_caps}
    return _things(things)


def _things(things: Mapping[str, Record]) -> Parts:
    if len(things) <= _MOST_THINGS:
        return {name: _leaves_of(item) for name, item in things.items()}
    return {name: {"content": short_digest(_content(item))} for name, item in things.items()}


def _measured(measurements: Mapping[str, Measurement], names: Mapping[str, str], learnt: Mapping[str, str]) -> Parts:
    found: dict[str, dict[str, str]] = {}
    for key, item in measurements.items():
        model = names.get(item.subject.model, item.subject.model)
        thing = f"measurements of {model} on {item.subject.device}"
        found.setdefault(thing, {})[short_digest(key)] = f"{item.as_of} {short_digest(item)}"
    if learnt:
        found["what was learnt"] = {name: short_digest(digest) for name, digest in learnt.items()}
    return found


def _content(record: Record) -> Any:
    return _without_places(record.model_dump(mode="json", exclude_defaults=True))


def _leaves_of(record: Record) -> Mapping[str, str]:
    own = {name: value for name, value in _content(record).items() if name not in ("name", "pipeline")}
    return dict(_leaves("", own))


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_places(item) for key, item in value.items() if key not in _PLACES}
    return [_without_places(item) for item in value] if isinstance(value, list) else value


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield dotted path -> value in short, for everything below ``value``."""
    if isinstance(value, dict) and {"metric", "text"} <= value.keys():  # a bound: its text says all of it
        yield value["metric"], _short(str(value["text"]).removeprefix(value["metric"]).strip())
    elif isinstance(value, dict) and {"direction", "metric"} <= value.keys():
        suffix = f" within {100 * value['tolerance']:.4g} %" if value.get("tolerance") else ""
        yield path, f"{value['direction']} {value['metric']}{suffix}"
    elif isinstance(value, dict) and {"value", "unit"} <= value.keys():
        source = f" ({value['source']})" if "source" in value else ""
        yield path, _short(f"{_plain(value['value'])} {value['unit']}{source}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "name" and path.endswith("]"):  # it stands in the path
                continue
            yield from _leaves(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(_step(path, index, item, len(value)), item)
    elif isinstance(value, list):
        yield path, _short(", ".join(map(_plain, value)))
    else:
        yield path, _short(_plain(value))


def _step(path: str, index: int, item: Any, count: int) -> str:
    named = item.get("name") if isinstance(item, dict) else None
    return path if count == 1 and not named else f"{path}[{named or index}]"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST and "\n" not in text else short_digest([text])
