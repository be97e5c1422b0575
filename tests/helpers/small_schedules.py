"""Small jobs on small fleets, and their best schedules by trying everything, hour by hour.

Where every length, window and series changes on the hour, so does some best schedule: between two orders of events all
that is summed is linear in the starts, and each start then hangs on whole hours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node, PowerCap
from aios.records.schedule import Frame, Job, Way

H = 3600.0
DAY = tuple([1.0] * 7 + [3.0] * 11 + [6.0] * 3 + [1.0] * 3)
"""Cheap at night, dear in the evening."""


def node(name: str = "a", count: int = 1, devices: int = 2, cores: int | None = None, **more: Any) -> Node:
    slots = (DeviceSlot(type="g", ids=tuple(map(str, range(devices)))),) if devices else ()
    return Node(name=name, count=count, devices=slots, cores=cores, **more)


def fleet(*nodes: Node, caps: Sequence[PowerCap] = ()) -> Fleet:
    kind = DeviceType(name="g", kind="gpu", memory_bytes=Fact(value=80.0, unit="B"))
    return Fleet(
        name="f", nodes=nodes or (node(),), types={"g": kind}, power_caps=tuple(caps), digest="sha256:0", origin="test"
    )


def way(hours: float | None, devices: int = 1, node: str = "a", **more: Any) -> Way:
    usual: dict[str, Any] = {"id": f"w{devices}", "device": "g", "usd_per_h": tuple(devices * usd for usd in DAY)}
    seconds = None if hours is None else hours * H
    return Way(**{**usual, "node": node, "devices": devices, "duration_s": seconds, "power_w": 100.0 * devices, **more})


def job(name: str, *ways: Way, **more: Any) -> Job:
    hours = {key: more.pop(key) * H for key in ("earliest", "deadline") if key in more}
    return Job(name=name, intent=name, ways=ways, **{f"{key}_s": value for key, value in hours.items()}, **more)


Place = tuple[str, tuple[str, ...]]
Picked = tuple[Way, int]


def best(jobs: Sequence[Job], fleet: Fleet, frame: Frame, hours: int) -> tuple[float, ...] | None:
    """Return expense, carbon, end and sum of starts, the best in this order, of all that end within ``hours``."""
    choices = [list(_choices(item, hours)) for item in jobs]
    found: tuple[float, ...] | None = None
    for picked in itertools.product(*choices):
        value = _value(picked, frame)
        if (found is None or value < found) and _in_order(jobs, picked) and fits(picked, fleet, frame):
            found = value
    return found


def _choices(item: Job, hours: int) -> Iterator[Picked]:
    for one in item.ways:
        assert one.duration_s is not None
        last = min(hours * H, math.inf if item.deadline_s is None else item.deadline_s) - one.duration_s
        for start in range(math.ceil(item.earliest_s / H), math.floor(last / H) + 1):
            yield one, start


def _hours(picked: Picked) -> range:
    one, start = picked
    return range(start, start + round((one.duration_s or 0) / H))


def _at(series: Sequence[float], frame: Frame, hour: int) -> float:
    return series[(hour + round(frame.offset_s / H)) % len(series)]


def _value(picked: Sequence[Picked], frame: Frame) -> tuple[float, ...]:
    sums = []
    for name in ("usd_per_h", "g_per_h"):
        rows = [(getattr(item[0], name), _hours(item)) for item in picked]
        sums.append(round(sum(_at(series, frame, hour) for series, hours in rows if series for hour in hours), 6))
    end = max(_hours(item)[-1] + 1 for item in picked)
    return (*sums, end * H, sum(start for _, start in picked) * H)


def _in_order(jobs: Sequence[Job], picked: Sequence[Picked]) -> bool:
    ends = {item.name: _hours(chosen)[-1] + 1 for item, chosen in zip(jobs, picked, strict=True)}
    return all(start >= ends[name] for item, (_, start) in zip(jobs, picked, strict=True) for name in item.after)


def fits(picked: Sequence[Picked], fleet: Fleet, frame: Frame) -> bool:
    """Say whether all parts find devices that they keep from start to end, and every cap is kept."""
    parts = [(one, _hours((one, start))) for one, start in picked for _ in range(one.parts)]
    for cap in fleet.power_caps:
        for hour in range(max((hours[-1] + 1 for _, hours in parts), default=0)):
            drawn = sum((one.power_w or 0) / one.parts for one, hours in parts if hour in hours)
            if drawn > _at(cap.cap_w, frame, hour) + 1e-9:
                return False
    return _placed(parts, fleet, frame, [])


def _placed(
    parts: Sequence[tuple[Way, range]], fleet: Fleet, frame: Frame, standing: list[tuple[Way, range, Place]]
) -> bool:
    if len(standing) == len(parts):
        return True
    one, hours = parts[len(standing)]
    for own in fleet.nodes:
        for machine in own.instances() if own.name == one.node else ():
            ids = [id_ for slot in own.devices for id_ in slot.ids]
            for devices in itertools.combinations(ids, one.devices if one.device else 0):
                tried = [*standing, (one, hours, (machine, devices))]
                if _holds(tried, own, machine, frame) and _placed(parts, fleet, frame, tried):
                    return True
    return False


def _holds(standing: Sequence[tuple[Way, range, Place]], own: Node, machine: str, frame: Frame) -> bool:
    here = [(one, hours, place[1]) for one, hours, place in standing if place[0] == machine]
    for hour in here[-1][1]:
        now = [(one, devices) for one, hours, devices in here if hour in hours]
        cap = _at(own.power_cap_w, frame, hour) if own.power_cap_w else math.inf
        if sum((one.power_w or 0) / one.parts for one, _ in now) > cap + 1e-9:
            return False
        if own.cores is not None and sum(one.cores for one, _ in now) > own.cores:
            return False
        for device in {device for _, devices in now for device in devices}:
            on = [one for one, devices in now if device in devices]
            if sum(one.share for one in on) > 1 + 1e-9 or sum(one.device_memory_bytes for one in on) > 80:
                return False
    return True


@st.composite
def small_cases(draw: st.DrawFn) -> tuple[list[Job], Fleet, Frame]:
    """Up to four jobs of up to two ways within six to eight hours, on up to two nodes of up to two machines."""
    nodes = [
        node("a", draw(st.integers(1, 2)), draw(st.integers(1, 2)), cores=draw(st.sampled_from([None, 4]))),
        node("b", 1, draw(st.integers(1, 3)), power_cap_w=draw(st.sampled_from([(), (200.0,), (100.0, 300.0)]))),
    ][: draw(st.integers(1, 2))]
    caps = draw(st.sampled_from([(), (PowerCap(cap_w=(300.0, 300.0, 100.0, 200.0)),), (PowerCap(cap_w=(250.0,)),)]))
    series = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=6).map(tuple)
    jobs: list[Job] = []
    for number in range(draw(st.integers(1, 4))):
        ways = []
        for _ in range(draw(st.integers(1, 2))):
            share = draw(st.sampled_from([1.0, 1.0, 0.5]))
            ways.append(
                way(
                    draw(st.integers(1, 3)), 1 if share < 1 else draw(st.integers(1, 2)),
                    draw(st.sampled_from(nodes)).name, share=share, parts=draw(st.sampled_from([1, 1, 2])),
                    cores=draw(st.sampled_from([0.0, 1.5, 3.0])), usd_per_h=draw(series), g_per_h=draw(series),
                    device_memory_bytes=draw(st.sampled_from([0.0, 50.0])),
                )
            )  # fmt: skip
        more: dict[str, Any] = {"earliest": draw(st.sampled_from([0, 0, 1, 2]))}
        if draw(st.booleans()):
            more["deadline"] = draw(st.integers(3, 6))
        if jobs and draw(st.booleans()):
            more["after"] = (draw(st.sampled_from(jobs)).name,)
        jobs.append(job(f"j{number}", *ways, **more))
    frame = Frame(offset_s=draw(st.integers(0, 23)) * H, within_s=draw(st.integers(5, 7)) * H)
    return jobs, fleet(*nodes, caps=caps), frame
