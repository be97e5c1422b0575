"""Fabric -> networkx graph, for what aios does not ask of it: other tools, other algorithms, other pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.records.fabric import Fabric

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["graph_of", "graphml"]


def graph_of(fabric: Fabric) -> nx.Graph[str]:
    """Return the connections as a graph: vertices with ``kind`` (device, switch), edges with ``bandwidth`` (bytes/s in
    one direction), ``latency`` (s), ``level`` and ``interconnect`` (empty where nobody says)."""
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(fabric.devices, kind="device")
    for edge in fabric.edges:
        for vertex in (edge.a, edge.b):
            if vertex not in graph:
                graph.add_node(vertex, kind="switch")
        facts = {"level": edge.level, "interconnect": edge.interconnect or ""}
        graph.add_edge(edge.a, edge.b, bandwidth=edge.bandwidth, latency=edge.latency, **facts)
    return graph


def graphml(fabric: Fabric) -> str:
    """Return the graph as GraphML, which graph tools read."""
    import networkx as nx

    return "\n".join(nx.generate_graphml(graph_of(fabric))) + "\n"
