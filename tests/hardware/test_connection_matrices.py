"""Matrices that tools print, as topologies; the recorded ones are of real machines."""

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.records.fleet import Fact
from aios.spi.matrix import Matrix, in_words, islands, pcie_lane_bytes_per_s, pcie_tree, read_matrix

DATA = Path(__file__).parent / "data"
LINK = Fact(value=25e9, unit="B/s")


def matrix_of(name, device="GPU"):
    return read_matrix((DATA / f"{name}.txt").read_text(), device)


def numbered(matrix):
    return matrix.renamed({device: str(number) for number, device in enumerate(matrix.devices)})


def test_a_dgx_a100_is_one_nvswitch_and_four_pcie_switches():
    matrix = numbered(matrix_of("nvidia-smi-topo-dgx-a100"))
    (nvlink,) = islands(matrix, 25e9, "test")
    assert (nvlink.name, nvlink.kind, nvlink.members) == ("nvlink", "switch", tuple("01234567"))
    assert nvlink.bandwidth_bytes_per_s.value == 300e9  # 12 links of 25 GB/s
    # The cells between GPUs say NV12: that two of them share a PCIe switch follows from the network cards beside them.
    (pcie,) = pcie_tree(matrix, LINK, "pcie4-x16")
    assert (pcie.name, pcie.kind, pcie.group, pcie.members) == ("pcie", "switch", 2, tuple("01234567"))
    assert (pcie.bandwidth_bytes_per_s, pcie.interconnect) == (LINK, "pcie4-x16")
    numa = pcie.between  # every pair on a NUMA node of its own
    assert (numa.name, numa.group, numa.interconnect) == ("numa", 1, "pcie4-host-bridge")
    assert (numa.bandwidth_bytes_per_s.value, numa.bandwidth_bytes_per_s.source) == (25e9, "assumed")
    host = numa.between
    assert (host.name, host.group, host.interconnect, host.between) == ("host", None, "socket-link", None)
    assert host.bandwidth_bytes_per_s is None


def test_a_hybrid_mesh_keeps_the_number_of_links_of_every_pair():
    matrix = numbered(matrix_of("nvidia-smi-topo-8x-v100-sxm2"))
    found = islands(matrix, 25e9)
    pairs = {pair: level.bandwidth_bytes_per_s.value for level in found for pair in combinations(level.members, 2)}
    assert sum(len(level.members) * (len(level.members) - 1) // 2 for level in found) == len(pairs) == 16
    assert (pairs["0", "1"], pairs["0", "7"], pairs["2", "5"]) == (25e9, 50e9, 25e9)
    assert ("0", "4") not in pairs
    links = dict.fromkeys("01234567", 0.0)
    for (a, b), rate in pairs.items():
        links[a] += rate / 25e9
        links[b] += rate / 25e9
    assert set(links.values()) == {6.0}  # every V100 has six NVLinks


def test_links_are_counted_where_nobody_says_what_one_carries():
    hybrid = islands(numbered(matrix_of("nvidia-smi-topo-8x-v100-sxm2")))
    assert {(level.interconnect, level.bandwidth_bytes_per_s) for level in hybrid} == {("nvlink", None)}
    links = {pair: level.links for level in hybrid for pair in combinations(level.members, 2)}
    assert (links["0", "1"], links["0", "7"], links["2", "5"]) == (1, 2, 1)
    (switch,) = islands(numbered(matrix_of("nvidia-smi-topo-dgx-a100")))
    assert (switch.interconnect, switch.bandwidth_bytes_per_s, switch.links) == ("nvlink", None, 12)


def test_links_that_are_not_counted_are_not_made_up():
    (hccs,) = islands(numbered(matrix_of("npu-smi-topo-8x-910b3", "NPU")))
    assert hccs.links is None


def test_numa_nodes_join_what_the_network_cards_do_not_show():
    numa = pcie_tree(numbered(matrix_of("nvidia-smi-topo-8x-v100-sxm2")))[-1]
    assert (numa.name, numa.group, numa.between.name) == ("numa", 4, "host")
    assert numa.bandwidth_bytes_per_s is None
    assert numa.between.bandwidth_bytes_per_s is None


def test_four_gpus_with_links_enough_for_every_pair_are_joined_directly():
    (level,) = islands(numbered(matrix_of("nvidia-smi-topo-4x-a100-polaris")), 25e9)
    assert (level.kind, level.bandwidth_bytes_per_s.value) == ("full", 100e9)  # 3 x 4 = 12 links


def test_more_links_than_a_gpu_has_can_only_be_a_switch():
    matrix = numbered(matrix_of("nvidia-smi-topo-4x-a100-nv12"))
    assert islands(matrix, links=12)[0].kind == "switch"  # 3 x 12 links
    assert islands(matrix, switched=False)[0].kind == "full"


def test_without_nvlink_there_is_only_the_host():
    matrix = numbered(matrix_of("nvidia-smi-topo-2x-pcie"))
    assert islands(matrix) == ()
    (numa,) = pcie_tree(matrix, LINK)
    assert (numa.name, numa.group, numa.interconnect) == ("numa", 1, "pcie-host-bridge")
    assert (numa.between.name, numa.between.interconnect) == ("host", "socket-link")
    assert "numa: devices 0, 1 each apart, joined by host; each to one switch at 25 GB/s" in in_words(numa)


def test_devices_of_one_numa_node_meet_at_its_host_bridges():
    cells = {"0": {"1": "PHB", "2": "NODE"}, "1": {"2": "NODE"}, "2": {}}
    (host,) = pcie_tree(Matrix(devices=tuple("012"), cells=cells), LINK, "pcie5-x16")
    assert (host.name, host.group, host.interconnect) == ("host", None, "pcie5-host-bridge")


def test_ascend_npus_are_joined_by_hccs_two_to_a_numa_node():
    matrix = numbered(matrix_of("npu-smi-topo-8x-910b3", "NPU"))
    (hccs,) = islands(matrix)
    assert (hccs.name, hccs.kind, len(hccs.members), hccs.bandwidth_bytes_per_s) == ("hccs", "full", 8, None)
    (numa,) = pcie_tree(matrix)
    assert (numa.name, numa.group) == ("numa", 2)


def test_groups_that_do_not_stand_in_order_are_put_beside_each_other():
    places = {"0": "a", "1": "b", "2": "a", "3": "b"}
    (numa,) = pcie_tree(Matrix(devices=tuple("0123"), cells={name: {} for name in "0123"}, places=places))
    assert (numa.members, numa.group) == (("0", "2", "1", "3"), 2)


def test_groups_of_unequal_size_stand_beside_the_whole():
    cells = {"0": {"1": "PIX", "2": "NODE"}, "1": {"2": "NODE"}, "2": {}}
    switch, host = pcie_tree(Matrix(devices=tuple("012"), cells=cells))
    assert (switch.name, switch.members) == ("pcie", ("0", "1"))
    assert (host.name, host.members, host.group) == ("host", ("0", "1", "2"), None)


@pytest.mark.parametrize(("generation", "lane"), [(1, 0.25e9), (3, 0.98462e9), (4, 1.96923e9), (5, 3.93846e9)])
def test_a_pcie_lane_loses_its_line_coding(generation, lane):
    assert pcie_lane_bytes_per_s(generation) == pytest.approx(lane, rel=1e-5)
    assert pcie_lane_bytes_per_s(9) is None


def test_a_terminals_underlining_does_not_hide_the_heading():
    text = "\t\x1b[4mGPU0\tGPU1\tCPU Affinity\x1b[0m\nGPU0\t X \tNV2\t0-7\nGPU1\tNV2\t X \t0-7\n"
    matrix = read_matrix(text, "GPU")
    assert (matrix.devices, matrix.words("GPU1", "GPU0"), matrix.places["GPU0"]) == (("GPU0", "GPU1"), "NV2", "0-7")


def test_a_topology_is_told_in_words():
    (nvlink,) = islands(numbered(matrix_of("nvidia-smi-topo-4x-a100-polaris")), 25e9, "test")
    told = "nvlink: devices 0, 1, 2, 3; every two over 4 links at 100 GB/s (4 links of 25 GB/s (test))"
    assert in_words(nvlink) == told
    assert "bandwidth not told" in in_words(pcie_tree(numbered(matrix_of("nvidia-smi-topo-2x-pcie")))[0])


@pytest.mark.parametrize("text", ["", "GPU0", "GPU0 GPU1\nGPU0 X\n", "\x00", "GPU0\tGPU0\nGPU0 X X\n"])
def test_what_is_no_matrix_is_none_or_harmless(text):
    matrix = read_matrix(text, "GPU")
    assert matrix is None or (islands(matrix), pcie_tree(matrix)) is not None


@given(
    st.sampled_from(sorted(DATA.glob("*topo*.txt"))),
    st.lists(st.tuples(st.integers(0, 900), st.text(max_size=5)), max_size=6),
)
def test_a_damaged_matrix_never_raises_and_names_only_its_devices(path, edits):
    text = path.read_text()
    for place, inserted in edits:
        text = text[:place] + inserted + text[place + 2 * len(inserted) :]
    matrix = read_matrix(text, "NPU" if "npu" in path.name else "GPU")
    if matrix is not None:
        for level in (*islands(matrix, 1e9), *pcie_tree(matrix)):
            assert set(level.members) <= set(matrix.devices)


@given(st.integers(2, 7), st.data())
def test_every_link_is_in_exactly_one_group(count, data):
    devices = tuple(str(number) for number in range(count))
    words = {pair: data.draw(st.sampled_from(["SYS", "NV1", "NV2"])) for pair in combinations(devices, 2)}
    cells = {device: {b: word for (a, b), word in words.items() if a == device} for device in devices}
    found = [
        (pair, round(level.bandwidth_bytes_per_s.value))
        for level in islands(Matrix(devices=devices, cells=cells), 1.0, switched=False)
        for pair in combinations(level.members, 2)
    ]
    assert sorted(found) == sorted((pair, int(word[2:])) for pair, word in words.items() if word != "SYS")
