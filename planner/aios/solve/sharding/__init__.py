"""Splitting a graph of operators over devices, so that the largest load is as small as can be, with a bound."""

from aios.solve.sharding.problem import Device, Devices, Graph, Operator, Sharding, Unfit, loads, memories
from aios.solve.sharding.shard import shard

__all__ = ["Device", "Devices", "Graph", "Operator", "Sharding", "Unfit", "loads", "memories", "shard"]
