"""Communication between equal devices: the form of its time, and what is unknown."""

import numpy as np
import pytest
from observed import observed

from aios.cost.collective_predictor import OPERATIONS, PREDICTOR, all_reduce_s
from aios.records.fleet import DeviceType, Fact, Interconnect
from aios.records.observation import Observations


def link(kind: str, rate: float) -> Interconnect:
    return Interconnect(kind=kind, bandwidth_bytes_per_s=Fact(value=rate, unit="B/s"))


DEVICES = {
    "switched": DeviceType(
        name="switched", kind="gpu", interconnects=(link("nvlink9", 100e9), link("pcie5-x16", 50e9))
    ),
    "hosted": DeviceType(name="hosted", kind="gpu", interconnects=(link("pcie5-x16", 50e9),)),
    "alone": DeviceType(name="alone", kind="gpu"),
}


def rows(types: list[str], operation: str | list[str] = "all-reduce", **numbers: object) -> Observations:
    words = {"operation": operation, "interconnect": numbers.pop("interconnect", ""), "software": "nccl"}
    return observed("collective", types, words, numbers)


def seconds(asked: Observations) -> np.ndarray:
    design = PREDICTOR.design(asked, DEVICES)
    assert set(design.unknown) == {""}
    return np.exp(design.base)


def test_both_protocols_worked_by_hand() -> None:
    """Four devices all-reduce in 6 steps; each sends 1.5 times the buffer. 8 + 6 x 1.1 us, then the quicker one."""
    small, large = seconds(rows(["switched"] * 2, devices=4, message_bytes=[1e5, 1e9]))
    assert small == pytest.approx(8e-6 + 6 * 1.1e-6 + 1.5e5 / 25e9)
    assert large == pytest.approx(8e-6 + 6 * 1.1e-6 + 20e-6 + 1.5e9 / 70e9)


def test_devices_without_links_of_their_own_use_the_hosts_bus() -> None:
    own, host = seconds(rows(["switched", "hosted"], devices=2, message_bytes=1e9))
    assert host / own == pytest.approx(2, rel=0.01)


def test_pairs_are_joined_by_the_hosts_bus_beyond_two() -> None:
    two, four = seconds(rows(["switched"] * 2, devices=[2, 4], message_bytes=1e9, interconnect="pairs"))
    assert four == pytest.approx(2 * 1.5 * two, rel=0.01)  # half the bandwidth, 1.5 instead of 1 buffer sent


def test_machines_are_joined_by_a_network() -> None:
    inside, between = seconds(rows(["switched"] * 2, "send-recv", devices=2, message_bytes=1e9, nodes=[1, 2]))
    assert between / inside == pytest.approx(100 / 12.5, rel=0.01)


def test_switched_devices_have_an_adapter_each() -> None:
    """0.4 of 50 GB/s for each of the devices of a machine, up to what their own links carry."""
    numbers = {"message_bytes": 1e9, "nodes": 2, "interconnect": "switch"}
    one, four, eight = seconds(rows(["switched"] * 3, "send-recv", devices=[2, 8, 16], **numbers))
    assert one / four == pytest.approx(4, rel=0.01)
    assert one / eight == pytest.approx(5, rel=0.01)  # 100 GB/s


def test_all_reduce_in_a_machine_over_links_or_the_hosts_memory() -> None:
    """Two devices send the buffer once: 8 + 2 x 1.1 + 20 us, then at 0.7 of 100 GB/s, or of half of 50 GB/s."""
    types = np.array(["switched", "hosted", "alone", "switched"])
    found = all_reduce_s(types, DEVICES, np.array([2.0, 2.0, 2.0, 1.0]), np.full(4, 1e9))
    start = 8e-6 + 2 * 1.1e-6 + 20e-6
    assert found == pytest.approx([start + 1e9 / 70e9, start + 1e9 / 17.5e9, 0.0, 0.0])


def test_time_grows_with_size_and_devices() -> None:
    sizes = 2.0 ** np.arange(8, 31)
    for name in OPERATIONS:
        found = seconds(rows(["switched"] * len(sizes), name, devices=8, message_bytes=sizes))
        assert (np.diff(found) > 0).all()
    counts = np.array([2, 4, 8, 16])
    assert (np.diff(seconds(rows(["switched"] * 4, devices=counts, message_bytes=1e6))) > 0).all()


def test_what_cannot_be_predicted_is_said() -> None:
    observed = rows(
        ["", "alone", "hosted", "hosted", "hosted"],
        ["all-reduce", "all-reduce", "shout", "all-reduce", "all-reduce"],
        devices=[2, 2, 2, 1, 2],
        message_bytes=[1, 1, 1, 1, np.nan],
    )
    assert PREDICTOR.design(observed, DEVICES).unknown.tolist() == [
        "no device of the catalogue is called so",
        "no bandwidth between its devices is known",
        "unknown operation shout",
        "nothing is said of more than one device",
        "the size of its message is not stated",
    ]


def test_rates_above_the_links_are_suspicious() -> None:
    design = PREDICTOR.design(rows(["switched"], "send-recv", devices=2, message_bytes=1e9), DEVICES)
    assert np.log(1e9 / 120e9) < design.least[0] < np.log(1e9 / 100e9)
