"""What training jobs are priced with of the networks and machines around them."""

import pytest
from priced_jobs import DEVICES, H100, PROFILES, SLOW, candidate, fleet, intent, node, pieces

from aios.cost import Evidence, price
from aios.cost.training.surroundings import assumed_network, hardware_at, machine_rate, network_rate
from aios.records.errors import InputError
from aios.records.fleet import Fact, Link, Topology
from aios.records.training import Spot


def test_devices_share_what_leaves_their_machine() -> None:
    on = fleet(node("h", H100, count=4), topology=(SLOW,))
    hardware = hardware_at(on, DEVICES[H100], Spot(("h",), 8, 4), "bf16")
    assert (hardware.port[0], hardware.domain[0]) == (1e9, 8.0)
    assert hardware_at(on, DEVICES[H100], Spot(("h",), 4, 1), "bf16").domain[0] == 4.0


def test_of_levels_the_one_that_leaves_a_machine_least_counts() -> None:
    """Racks of 4 machines at 50 GB/s each, joined by 100 GB/s: 25 GB/s are left to a machine once two racks work."""
    spine = Topology(name="spine", kind="switch", bandwidth_bytes_per_s=Fact(value=100e9, unit="B/s"))
    rack = Topology(
        name="rack", kind="switch", bandwidth_bytes_per_s=Fact(value=50e9, unit="B/s"), group=4, between=spine
    )
    on = fleet(node("h", H100, count=8), topology=(rack,))
    assert [network_rate(on, Spot(("h",), 8, machines)) for machines in (1, 2, 4, 8)] == [None, 50e9, 50e9, 25e9]


def test_links_between_machines_count_and_machines_without_one_are_refused() -> None:
    rate = Fact(value=12e9, unit="B/s")
    on = fleet(
        node("a", H100), node("b", H100), node("c", H100), links=(Link(ends=("a", "b"), bandwidth_bytes_per_s=rate),)
    )
    assert network_rate(on, Spot(("a", "b"), 8, 2)) == 12e9
    with pytest.raises(InputError, match="nothing connects the machines of c"):
        network_rate(on, Spot(("c",), 8, 2))


def test_what_is_assumed_of_the_network_is_told() -> None:
    bare, stated = (fleet(node("h", H100, count=4), topology=topology) for topology in ((), (SLOW,)))
    one, four = (assumed_network(bare, DEVICES[H100], Spot(("h",), 8, machines)) for machines in (1, 4))
    assert one is None
    assert four is not None
    assert "between its 4 machines is stated: 50 GB/s for each device" in four
    assert assumed_network(stated, DEVICES[H100], Spot(("h",), 8, 4)) is None
    rack = assumed_network(
        fleet(node("g", "nvidia-gb200-186gb", count=18)), DEVICES["nvidia-gb200-186gb"], Spot(("g",), 4, 18)
    )
    assert rack is not None
    assert "900 GB/s that joins 72 devices is assumed" in rack
    told = {
        precision: price(intent(), [candidate(machines=machines, precision=precision)], PROFILES, bare, Evidence())[0]
        for precision, machines in (("bf16", 1), ("fp8", 4))
    }
    assert told["bf16"].notes == ()
    assert "learns with products in fp8 is not judged" in told["fp8"].notes[0]
    assert told["fp8"].notes[1:] == (four,)


def test_products_are_not_predicted_beyond_what_was_measured_of_the_quickest() -> None:
    """MI300X: 668 of 1307 TFLOP/s; in 8 bits, which nobody measured, half of the peak as well."""
    kind = DEVICES["amd-instinct-mi300x"]
    half, eighth = (
        hardware_at(fleet(node("x", kind.name)), kind, Spot(("x",), 8, 1), name) for name in ("bf16", "fp8")
    )
    assert half.ceiling[0] == pytest.approx(1.05 * 668.4e12)
    assert eighth.ceiling[0] == pytest.approx(1.05 * 2614.9e12 * 668.4 / 1307.4)
    assert half.peak[0] == pytest.approx(668.4e12 / 0.8), "so that four fifths of it are what was measured"
    usual = hardware_at(fleet(node("h", H100)), DEVICES[H100], Spot(("h",), 8, 1), "bf16")
    assert (usual.peak[0], usual.ceiling[0]) == (989.5e12, pytest.approx(1.05 * 794.5e12))


def test_a_slow_network_slows_what_crosses_it_and_nothing_else() -> None:
    quick, slow = (fleet(node("h", H100, count=4), topology=topology) for topology in ((), (SLOW,)))
    for machines, same in ((1, True), (4, False)):
        one, other = (
            price(intent(), [candidate(machines=machines)], PROFILES, on, Evidence())[0].estimates["time"].value
            for on in (quick, slow)
        )
        assert (one == other) is same
        assert other >= one


def test_stages_on_different_machines_wait_for_the_network_between_them() -> None:
    """Per device and step 64 micro batches of 4096 tokens, each 4096 x 2 bytes both ways over 75 % of the wire: at 1/8
    GB/s each, 64 x 2 x 33.6 MB / 94 MB/s = 45.8 s, and 3 more micro batches' time for filling four stages."""
    slow = Topology(name="net", kind="switch", bandwidth_bytes_per_s=Fact(value=1e9, unit="B/s"))
    item = candidate(machines=4, pipeline=4, data=8)
    one, other = (
        512 / price(intent(), [item], PROFILES, on, Evidence())[0].estimates["throughput"].value
        for on in (fleet(node("h", H100, count=4)), fleet(node("h", H100, count=4), topology=(slow,)))
    )
    sent = 64 * 2 * 4096 * 4096 * 2 / (0.75 * 1e9 / 8) * (1 + 3 / 64)
    assert other - one == pytest.approx(sent, rel=0.05)
    whole = pieces(item, fleet(node("h", H100, count=4), topology=(slow,)), Evidence())
    assert whole["transfers between stages"] == pytest.approx(sent / (1 + 3 / 64), rel=0.01)


def test_stages_of_one_machine_do_not_cross_the_network() -> None:
    item = candidate(machines=1, pipeline=4, data=2)
    times_ = {
        price(intent(), [item], PROFILES, fleet(node("h", H100, count=4), topology=topology), Evidence())[0]
        .estimates["time"]
        .value
        for topology in ((), (SLOW,))
    }
    assert len(times_) == 1


def test_what_a_node_says_of_its_fabric_comes_before_the_type() -> None:
    """Two groups of four devices at 20 GB/s, joined at 16 GB/s: eight devices have 4 GB/s each."""
    upper = Topology(name="upper", kind="switch", bandwidth_bytes_per_s=Fact(value=16e9, unit="B/s"))
    pcie = Topology(
        name="pcie", kind="switch", bandwidth_bytes_per_s=Fact(value=20e9, unit="B/s"), group=4, between=upper
    )
    on = fleet(node("h", H100, topology=(pcie,)))
    rates = {n: hardware_at(on, DEVICES[H100], Spot(("h",), n, 1), "bf16").link[0] for n in (4, 8)}
    assert rates == {4: 20e9, 8: 4e9}
    assert machine_rate(fleet(node("h", H100)), Spot(("h",), 8, 1)) is None
