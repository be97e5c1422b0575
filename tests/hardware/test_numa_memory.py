"""NUMA nodes, CXL memory, cpusets and hyper-threads, read from invented trees of files as Linux shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_plugins.cpu import Memory, Probe
from aios_plugins.cpu.host import read_host
from aios_plugins.cpu.lists import numbers, written
from aios_plugins.cpu.numa import cxl_tiers, read_numa

NODE = "sys/devices/system/node"


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def node(number, cpus, gib, distances="10 21"):
    return {
        f"{NODE}/node{number}/cpulist": f"{cpus}\n",
        f"{NODE}/node{number}/meminfo": f"Node {number} MemTotal:   {gib * 2**20} kB\nNode {number} MemFree: 1 kB\n",
        f"{NODE}/node{number}/distance": f"{distances}\n",
    }


def with_cxl(root, number=2, of="ACPI0017:00/root0/decoder0.0/region0/dax_region0"):
    """A dax device as the kernel lists it: a link into the tree of devices."""
    device = tree(root, {f"sys/devices/platform/{of}/dax0.0/target_node": f"{number}\n"})
    link = root / "sys/bus/dax/devices/dax0.0"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(device / f"sys/devices/platform/{of}/dax0.0")
    return root


@pytest.fixture
def two_sockets(tmp_path):
    total = {"proc/meminfo": f"MemTotal: {320 * 2**20} kB\nMemAvailable: {100 * 2**20} kB\n"}
    near = f"{NODE}/node2/access0/initiators"
    table = {f"{near}/read_bandwidth": "30000\n", f"{near}/write_bandwidth": "20000\n", f"{near}/read_latency": "250\n"}
    return tree(
        tmp_path,
        total | node(0, "0-3,8-11", 128) | node(1, "4-7,12-15", 128) | node(2, "", 64, "17 28 10") | table,
    )


def test_nodes_are_read_with_their_processors_memory_and_distances(two_sockets):
    first, second, third = read_numa(two_sockets)
    assert (first.cpus, first.memory_bytes, first.distances) == ((0, 1, 2, 3, 8, 9, 10, 11), 128 * 2.0**30, (10, 21))
    assert (second.number, third.cpus, third.cxl) == (1, (), False)
    assert (third.read_bytes_per_s, third.write_bytes_per_s, third.latency_s) == (30e9, 20e9, 250e-9)


def test_a_node_without_processors_is_cxl_only_if_the_system_says_so(two_sockets):
    assert cxl_tiers(read_numa(two_sockets)) == ()
    (sentence,) = Memory(two_sockets).discover(measure=False).missing
    assert "NUMA node 2 has 64.0 GiB of memory and no processor; the system does not say of what kind" in sentence
    with_cxl(two_sockets)
    (tier,) = cxl_tiers(read_numa(two_sockets))
    assert (tier.name, tier.kind, tier.bytes.value) == ("cxl", "cxl", 64 * 2.0**30)
    assert (tier.read_bytes_per_s.value, tier.latency_s.value) == (30e9, 250e-9)
    assert tier.read_bytes_per_s.source == "declared"
    discovery = Memory(two_sockets).discover(measure=False)
    assert (discovery.memory_tiers, discovery.missing) == ((tier,), ())


def test_persistent_memory_is_no_cxl(two_sockets):
    with_cxl(two_sockets, of="ndbus0/region0/dax0.1")
    assert not any(node.cxl for node in read_numa(two_sockets))


def test_memory_over_cxl_is_no_dram(two_sockets):
    assert read_host(two_sockets).memory_bytes == 320 * 2.0**30
    with_cxl(two_sockets)
    assert read_host(two_sockets).memory_bytes == 256 * 2.0**30


def test_memory_of_nodes_that_are_closed_to_the_process_is_not_its(two_sockets):
    tree(two_sockets, {"proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-3,8-11\nMems_allowed_list:\t0\n"})
    host = read_host(two_sockets)
    assert (host.numa_allowed, host.memory_bytes) == ((0,), 128 * 2.0**30)
    seen = Memory(two_sockets).discover(measure=False).seen
    assert seen[0] == "memory: 128.0 GiB for this process (MemTotal in /proc/meminfo, 100.0 GiB available now)"
    assert seen[2] == (
        "NUMA node 1: 128.0 GiB, processors 4-7,12-15, distance 21 to 21 to others, closed to this process (sysfs)"
    )


def test_a_limited_container_is_told_beside_its_machine(two_sockets):
    tree(two_sockets, {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.max": f"{8 * 2**30}\n"})
    discovery = Memory(two_sockets).discover(measure=False)
    assert discovery.memory_bytes == 8 * 2.0**30
    assert "8.0 GiB for this process (control group limit; the machine has 320.0 GiB" in discovery.seen[0]


def test_hyper_threads_share_a_core_where_only_sysfs_tells(tmp_path):
    files = {"sys/devices/system/cpu/online": "0-3\n", "proc/self/status": "Cpus_allowed_list:\t0-3\n"}
    for cpu in range(4):
        files[f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"] = f"{cpu % 2},{cpu % 2 + 2}\n"
    host = read_host(tree(tmp_path, files))
    assert (host.online, host.cores, host.threads_per_core) == (4, 4, 2)
    discovery = Probe(tmp_path).discover(measure=False)
    assert discovery.devices[0].type.identity["physical_cores"] == "2"
    assert "4 cores for this process (4 online, 2 threads per physical core; " in discovery.seen[0]


@pytest.mark.parametrize(
    ("group", "files"),
    [
        ("0::/job", {"sys/fs/cgroup/job/cpuset.cpus.effective": "2-3"}),
        ("0::/job/inner", {"sys/fs/cgroup/job/cpuset.cpus.effective": "2-3"}),
        ("5:cpuset:/job", {"sys/fs/cgroup/cpuset/job/cpuset.cpus": "2-3"}),
        ("5:cpuset:/docker/abc", {"sys/fs/cgroup/cpuset/cpuset.effective_cpus": "2-3"}),
    ],
)
def test_the_control_groups_processors_are_all_there_are(tmp_path, group, files):
    status = "Cpus_allowed_list:\t0-7\n"
    root = tree(
        tmp_path, {"sys/devices/system/cpu/online": "0-7", "proc/self/status": status, "proc/self/cgroup": group}
    )
    host = read_host(tree(root, files))
    assert (host.online, host.allowed, host.cores) == (8, (2, 3), 2)


@pytest.mark.parametrize("text", ["", "x", "1-", "3-1", "0-99999999", "1,,2", "٣"])
def test_what_is_no_list_is_empty(text):
    assert numbers(text) == ()


@given(st.sets(st.integers(0, 5000), max_size=60))
def test_lists_read_back(values):
    ordered = tuple(sorted(values))
    assert numbers(written(ordered)) == ordered


def test_this_machines_memory_is_found():
    discovery = Memory().discover(measure=False)
    assert discovery.memory_bytes == Probe().discover(measure=False).memory_bytes
    assert discovery.seen[0].startswith("memory: ")
