"""Reading from another memory costs its bandwidth, or that of the way to it, and the plan's records say so."""

from __future__ import annotations

import pytest

from aios.cost import price
from aios.cost.evidence import Evidence
from aios.cost.interval import Unknown
from aios.cost.tiers import tier_rates
from aios.records.fleet import DeviceSlot, Fact, Interconnect, MemoryTier, Node, Partition


def fact(value: float, unit: str = "B/s", source: str = "declared") -> Fact:
    return Fact(value=value, unit=unit, source=source)


def with_tier(fleet, node_name, *tiers):
    nodes = tuple(
        node.model_copy(update={"memory_tiers": tiers}) if node.name == node_name else node for node in fleet.nodes
    )
    return fleet.model_copy(update={"nodes": nodes})


CXL = MemoryTier(name="cxl", kind="cxl", bytes=fact(64e9, "B"), read_bytes_per_s=fact(10e9, source="measured"))
NVME = MemoryTier(name="nvme", kind="nvme", bytes=fact(1e12, "B"), read_bytes_per_s=fact(2e9))


def priced(intent, candidate, profile, fleet):
    return price(intent, [candidate], {"net": profile}, fleet, Evidence())[0]


def moved(candidate, **tiers):
    return candidate.model_copy(update={"id": candidate.id + "/x", "tiers": tiers})


@pytest.fixture
def intent(intent):
    """One request now and then."""
    return intent.model_copy(update={"load": None})


@pytest.fixture
def candidate(candidate):
    """All four cores: they draw all of the bandwidth that there is."""
    return candidate.model_copy(update={"threads": 4})


@pytest.fixture
def streaming(profile):
    """A model that does little with much: 4 GB of weights, no cache holds them, 1 MFLOP."""
    operators = tuple(
        item.model_copy(update={"weight_bytes": 4e9, "flops": 1e6, "count": 1})
        for item in profile.operators
        if item.kind == "Conv"
    )
    return profile.model_copy(update={"weight_bytes": 4e9, "operators": operators, "activation_bytes": 1e3})


def test_weights_in_a_slower_memory_take_its_time(intent, candidate, streaming, fleet):
    fleet = with_tier(fleet, "box", CXL)
    own = priced(intent, candidate, streaming, fleet)
    far = priced(intent, moved(candidate, weights="cxl"), streaming, fleet)
    # 4 GB at 10 GB/s x 0.8, the share that streaming reads reach
    assert far.estimates["latency.p50"].value == pytest.approx(4e9 / 8e9, rel=0.1)
    assert own.estimates["latency.p50"].value < far.estimates["latency.p50"].value
    weights = next(item for item in far.residences if item.part == "weights")
    assert (weights.tier, weights.bytes, weights.read_bytes_per_s, weights.seconds) == ("cxl", 4e9, 10e9, 0.4)
    assert weights.source == "measured"
    assert "weights read from cxl at 10 GB/s" in far.estimates["latency.p50"].basis


def test_memory_is_asked_of_the_tier_and_not_of_the_dram(intent, candidate, streaming, fleet):
    fleet = with_tier(fleet, "box", NVME)
    own = priced(intent, candidate, streaming, fleet)
    far = priced(intent, moved(candidate, weights="nvme"), streaming, fleet)
    assert far.demand.tier_bytes == {"nvme": 4e9}
    assert far.demand.node_memory_bytes <= own.demand.node_memory_bytes - 4e9


def test_a_mapped_drive_may_be_as_fast_as_memory_when_the_pages_were_kept(intent, candidate, streaming, fleet):
    fleet = with_tier(fleet, "box", NVME)
    far = priced(intent, moved(candidate, weights="nvme"), streaming, fleet)
    latency = far.estimates["latency.p50"]
    assert latency.low < 4e9 / 15e9 < 4e9 / 2e9 < latency.value < latency.high


def test_replicas_share_a_tier_at_the_worst_end(intent, candidate, streaming, fleet):
    fleet = with_tier(fleet, "box", CXL)
    one, four = (
        priced(
            intent,
            moved(candidate, weights="cxl").model_copy(update={"replicas": replicas}),
            streaming,
            fleet,
        ).estimates["latency.p50"]
        for replicas in (1, 4)
    )
    assert four.value == pytest.approx(one.value)
    assert four.high > 2 * one.high


def test_an_accelerator_reads_dram_through_its_connection(intent, candidate, streaming, fleet):
    gpu = fleet.types["gpu"].model_copy(
        update={"interconnects": (Interconnect(kind="pcie4-x16", bandwidth_bytes_per_s=fact(32e9)),)}
    )
    fleet = fleet.model_copy(update={"types": {**fleet.types, "gpu": gpu}})
    there = moved(candidate, weights="dram").model_copy(update={"device": "gpu", "nodes": ("rig",), "threads": 0})
    found = priced(intent, there, streaming, fleet)
    weights = next(item for item in found.residences if item.part == "weights")
    assert (weights.tier, weights.kind, weights.seconds) == ("dram", "dram", pytest.approx(0.125))
    assert found.demand.tier_bytes == {}
    assert found.demand.node_memory_bytes > 4e9
    assert found.demand.device_memory_bytes < 4e9


def test_an_unknown_rate_is_said_and_nothing_is_predicted(intent, candidate, streaming, fleet):
    slow = CXL.model_copy(update={"read_bytes_per_s": None})
    found = priced(intent, moved(candidate, weights="cxl"), streaming, with_tier(fleet, "box", slow))
    assert "latency.p99" not in found.estimates
    assert found.unknown["latency.p99"] == "no read bandwidth of memory tier cxl of node box is stated"
    there = candidate.model_copy(update={"device": "gpu", "nodes": ("rig",), "tiers": {"weights": "dram"}})
    unknown = tier_rates(there, fleet.types["gpu"], fleet)
    assert isinstance(unknown, Unknown)
    assert "`interconnects`" in unknown.reason


def test_keys_and_values_far_away_cost_the_difference(intent, candidate, streaming, fleet):
    fleet = with_tier(fleet, "box", CXL)
    keeping = streaming.model_copy(update={"kv_cache_bytes": 2e9, "activation_bytes": 2e9 + 1e3})
    own, far = (
        priced(intent, moved(candidate, **tiers), keeping, fleet).estimates["latency.p50"].value
        for tiers in ({}, {"kv_cache": "cxl"})
    )
    assert 2e9 / 8e9 - 2e9 / 10e9 < far - own < 2e9 / 8e9  # at 8 GB/s instead of more than 10


def test_price_and_carbon_come_from_the_node_where_the_device_says_nothing(intent, candidate, profile, fleet):
    hours = (100.0, 300.0)
    box = fleet.nodes[0].model_copy(update={"price_usd_per_h": fact(1.2, "USD/h"), "carbon_g_per_kwh": hours})
    cpu = fleet.types["cpu"].model_copy(update={"price_usd_per_h": None})
    fleet = fleet.model_copy(update={"nodes": (box, *fleet.nodes[1:]), "types": {**fleet.types, "cpu": cpu}})
    found = priced(intent, candidate, profile, fleet)
    assert found.estimates["cost"].value == pytest.approx(1.2)  # all four cores
    carbon, power = found.estimates["carbon"], found.estimates["power"]
    assert carbon.unit == "gCO2/h"
    assert carbon.value == pytest.approx(power.value / 1000 * 200)
    assert carbon.low == pytest.approx(power.low / 1000 * 100)
    assert carbon.high == pytest.approx(power.high / 1000 * 300)


def test_an_unstated_price_or_intensity_is_unknown(intent, candidate, profile, fleet):
    cpu = fleet.types["cpu"].model_copy(update={"price_usd_per_h": None})
    found = priced(intent, candidate, profile, fleet.model_copy(update={"types": {**fleet.types, "cpu": cpu}}))
    assert found.unknown["cost"] == "no price of cpu or of its node is stated"
    assert "carbon" in found.unknown


def test_a_part_of_a_card_costs_its_share_of_the_card(intent, candidate, profile, fleet):
    half = Partition(name="half", compute_share=fact(0.5, "1"), memory_bytes=fact(8e9, "B"), most=2)
    card = fleet.types["gpu"].model_copy(update={"partitions": (half,)})
    part = card.model_copy(update={"name": "gpu:half", "part_of": "gpu", "partitions": ()})
    slots = (DeviceSlot(type="gpu", ids=("0",)), DeviceSlot(type="gpu:half", ids=("1.0", "1.1")))
    rig = Node(name="rig", cores=8, devices=slots, price_usd_per_h=fact(8.0, "USD/h"))
    fleet = fleet.model_copy(update={"nodes": (rig,), "types": {"gpu": card, "gpu:half": part}})

    def usd(device: str) -> float:
        there = candidate.model_copy(update={"device": device, "nodes": ("rig",), "threads": 0})
        return priced(intent, there, profile, fleet).estimates["cost"].value

    assert (usd("gpu"), usd("gpu:half")) == (4.0, 2.0)


def test_a_socket_of_unknown_cores_has_its_share_of_the_machines(intent, candidate, profile, fleet):
    cpu = fleet.types["cpu"].model_copy(update={"cores": None, "price_usd_per_h": None})
    node = fleet.nodes[0].model_copy(
        update={
            "cores": 16,
            "devices": (DeviceSlot(type="cpu", ids=("cpu0", "cpu1")),),
            "price_usd_per_h": fact(16.0, "USD/h"),
        }
    )
    fleet = fleet.model_copy(update={"nodes": (node,), "types": {"cpu": cpu}})
    found = priced(intent, candidate, profile, fleet)
    assert found.demand.share == 0.5  # four of eight cores
    assert found.estimates["cost"].value == 4.0  # four of sixteen cores of 16 USD/h
