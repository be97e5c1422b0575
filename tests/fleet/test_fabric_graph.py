"""The graph that other tools get is the fabric, edge by edge."""

from __future__ import annotations

import io

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet.topology.graph import graph_of, graphml
from aios.records.fabric import Edge, Fabric

VERTICES = st.sampled_from(["a/0", "a/1", "a/2", "a#nvlink", "a#host"])
EDGES = st.builds(
    Edge,
    VERTICES,
    VERTICES,
    st.floats(1.0, 1e12),
    st.floats(0.0, 1.0),
    st.none() | st.just("nvlink4"),
    st.sampled_from(["nvlink", "host"]),
).filter(lambda edge: edge.a != edge.b)


@settings(max_examples=40, deadline=None)
@given(st.lists(EDGES, unique_by=lambda edge: frozenset((edge.a, edge.b))))
def test_graphml_reads_back_as_the_same_graph(edges):
    fabric = Fabric(devices=("a/0", "a/1", "a/2"), edges=tuple(edges))
    graph = graph_of(fabric)
    assert {name for name, data in graph.nodes(data=True) if data["kind"] == "device"} == set(fabric.devices)
    assert graph.number_of_edges() == len(edges)
    back = nx.read_graphml(io.BytesIO(graphml(fabric).encode()))
    assert (back.adj, dict(back.nodes(data=True))) == (graph.adj, dict(graph.nodes(data=True)))
    for edge in edges:
        assert back.edges[edge.a, edge.b]["bandwidth"] == edge.bandwidth
