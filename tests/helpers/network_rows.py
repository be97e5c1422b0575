"""Rows of networks on a made-up accelerator."""

from collections.abc import Mapping

import numpy as np

from aios.records.fleet import DeviceType, Fact
from aios.records.observation import Observations


def fact(value: float) -> Fact:
    return Fact(value=value, unit="1", source="datasheet")


TYPES = {
    "acme-1": DeviceType(
        name="acme-1",
        kind="npu",
        peak_ops_per_s={"fp16": fact(1e12), "int8": fact(2e12)},
        memory_bandwidth_bytes_per_s=fact(1e10),
        launch_overhead_s=fact(1e-6),
    )
}


def observed(
    values: list[float] | np.ndarray,
    metric: str = "latency.mean",
    words: Mapping[str, object] | None = None,
    numbers: Mapping[str, object] | None = None,
    types: object = "acme-1",
    families: object = None,
) -> Observations:
    rows = len(values)
    spread = {
        role: np.broadcast_to(np.asarray(value), rows) for role, value in {"model": "net", **(words or {})}.items()
    }
    return Observations(
        table="t.csv",
        predictor="network",
        metric=metric,
        unit="s",
        words=spread,
        numbers={role: np.broadcast_to(np.asarray(v, dtype=float), rows) for role, v in (numbers or {}).items()},
        types=np.broadcast_to(np.asarray(types), rows),
        families=spread["model"] if families is None else np.asarray(families),
        lines=np.arange(rows),
        values=np.asarray(values, dtype=float),
    )
