"""Where weights, keys and values, and activations may live: own memory first, other tiers where that helps."""

from __future__ import annotations

import pytest

from aios.candidates import enumerate_candidates
from aios.records.fleet import DeviceSlot, Fact, MemoryTier, Node, Used


def tier(name: str, kind: str, size: float, read: float | None = None) -> MemoryTier:
    fact = None if read is None else Fact(value=read, unit="B/s")
    return MemoryTier(name=name, kind=kind, bytes=Fact(value=size, unit="B"), read_bytes_per_s=fact)


@pytest.fixture
def small_box(fleet):
    """One machine of 1 GB of DRAM with other memory beside it; the cpu reads its own at 20 GB/s."""

    def build(*tiers: MemoryTier, **more):
        node = Node(name="box", cores=6, memory_bytes=1e9, memory_tiers=tiers, devices=(cpu_slot(),), **more)
        cpu = fleet.types["cpu"].model_copy(update={"memory_bandwidth_bytes_per_s": Fact(value=20e9, unit="B/s")})
        return fleet.model_copy(update={"nodes": (node,), "types": {"cpu": cpu}})

    return build


def cpu_slot() -> DeviceSlot:
    return DeviceSlot(type="cpu", ids=("cpu0",))


def heavy(profiles, **sizes):
    """Both models with these sizes; the intent asks for nothing but one of them."""
    return {name: profile.model_copy(update=sizes) for name, profile in profiles.items()}


def ways(found):
    return {tuple(candidate.tiers.items()) for candidate in found.candidates}


def test_small_models_stay_in_the_devices_own_memory_and_a_row_says_so(intent, profiles, willing, small_box):
    found = enumerate_candidates(intent, profiles, small_box(tier("nvme", "nvme", 1e12, 3e9)), willing)
    assert ways(found) == {()}
    assert any(row.what == "nvme for small parts of models on cpu" for row in found.rejections)


def test_weights_that_are_much_of_the_memory_may_also_live_in_a_tier(intent, profiles, willing, small_box):
    box = small_box(tier("nvme", "nvme", 1e12, 3e9))
    found = enumerate_candidates(intent, heavy(profiles, weight_bytes=5e8), box, willing)
    assert ways(found) == {(), (("weights", "nvme"),)}
    assert all(("/weights@nvme" in c.id) == bool(c.tiers) for c in found.candidates)


def test_what_fits_nowhere_else_goes_to_the_tier_alone(intent, profiles, willing, small_box):
    box = small_box(tier("nvme", "nvme", 1e12, 3e9))
    found = enumerate_candidates(intent, heavy(profiles, weight_bytes=5e9), box, willing)
    float_ways = {tuple(c.tiers.items()) for c in found.candidates if c.precision == "fp32"}
    assert float_ways == {(("weights", "nvme"),)}


def test_a_tier_too_small_for_the_weights_is_said_with_the_figures(intent, profiles, willing, small_box):
    found = enumerate_candidates(
        intent, heavy(profiles, weight_bytes=5e12), small_box(tier("cxl", "cxl", 1e9)), willing
    )
    assert found.candidates == ()
    row = next(row for row in found.rejections if row.clause == "memory")
    assert "cxl beside it cannot hold" in row.reason


def test_drives_hold_no_activations_and_cxl_does(intent, profiles, willing, small_box):
    tiers = (tier("nvme", "nvme", 1e12, 3e9), tier("cxl", "cxl", 1e12, 9e9))
    found = enumerate_candidates(intent, heavy(profiles, weight_bytes=5e8), small_box(*tiers), willing)
    assert {tiers for tiers in ways(found) if ("activations", "nvme") in tiers} == set()
    assert (("weights", "cxl"), ("activations", "cxl")) in ways(found)


def test_keys_and_values_move_alone_or_with_the_weights(intent, profiles, willing, small_box):
    sizes = {"weight_bytes": 3e8, "kv_cache_bytes": 4e8, "activation_bytes": 4.5e8}
    found = enumerate_candidates(intent, heavy(profiles, **sizes), small_box(tier("nvme", "nvme", 1e12, 3e9)), willing)
    assert ways(found) >= {(("weights", "nvme"),), (("kv_cache", "nvme"),), (("weights", "nvme"), ("kv_cache", "nvme"))}


def test_a_faster_tier_is_considered_for_every_model(intent, profiles, willing, small_box):
    found = enumerate_candidates(intent, profiles, small_box(tier("hbm", "hbm", 64e9, 800e9)), willing)
    assert (("weights", "hbm"),) in ways(found)


def test_an_accelerator_may_read_from_its_nodes_dram(intent, profiles, willing, fleet):
    node = Node(name="rig", cores=8, memory_bytes=256e9, devices=(DeviceSlot(type="gpu", ids=("0",)),))
    rig = fleet.model_copy(update={"nodes": (node,), "types": {"gpu": fleet.types["gpu"]}})
    found = enumerate_candidates(intent, heavy(profiles, weight_bytes=40e9), rig, willing)
    fp32 = {tuple(c.tiers.items()) for c in found.candidates if c.precision == "fp32"}
    assert fp32 == {(("weights", "dram"),), (("weights", "dram"), ("activations", "dram"))}


def test_what_is_taken_already_is_no_room(intent, profiles, willing, small_box):
    box = small_box(used=Used(cores=4.5, memory_bytes=9.99e8))
    found = enumerate_candidates(intent, profiles, box, willing)
    assert found.candidates == ()  # 1 MB free
    box = small_box(used=Used(cores=4.5))
    found = enumerate_candidates(intent, profiles, box, willing)
    assert {candidate.threads for candidate in found.candidates} == {1}


def test_cards_that_are_taken_hold_no_replica(intent, profiles, willing, fleet):
    def rig(**shares: float):
        slot = DeviceSlot(type="gpu", ids=("0", "1", "2"))
        node = Node(name="rig", cores=8, devices=(slot,), used=Used(devices=shares))
        found = enumerate_candidates(
            intent, profiles, fleet.model_copy(update={"nodes": (node,), "types": {"gpu": fleet.types["gpu"]}}), willing
        )
        return {candidate.replicas for candidate in found.candidates}, found.rejections

    assert max(rig(**{"0": 0.2})[0]) == 2
    counts, rejections = rig(**{"0": 1.0, "1": 0.5, "2": 0.1})
    assert counts == set()
    assert any(row.reason.startswith("a part of each is taken already") for row in rejections)
