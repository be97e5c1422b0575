"""What a process may use, read from trees of files as Linux shows them, and from this machine."""

import os
from pathlib import Path

import pytest

from aios.records.fleet import Fact
from aios_plugins.cpu import Probe, peaks
from aios_plugins.cpu.cpuinfo import CpuInfo, parse_cpuinfo
from aios_plugins.cpu.host import Frequency, Host, read_caches, read_host, read_nominal_frequency

DATA = Path(__file__).parent / "data"


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_control_groups_of_version_2_limit_time_and_memory(tmp_path):
    root = _write(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
            "proc/self/cgroup": "0::/user/job\n",
            "sys/fs/cgroup/user/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user/job/memory.max": "2147483648\n",
        },
    )
    host = read_host(root)
    assert (host.quota, host.memory_limit_bytes) == (1.5, 2.0**31)
    assert (host.cores, host.usable_memory_bytes) == (1, 2.0**31)
    assert host.memory_bytes == 16384000 * 1024


def test_control_groups_of_version_1(tmp_path):
    root = _write(
        tmp_path,
        {
            "proc/meminfo": "MemTotal: 1024000 kB\n",
            "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    host = read_host(root)
    assert (host.quota, host.cores) == (0.5, 1)
    assert host.memory_limit_bytes is None  # the kernel's way to say that there is none
    assert host.usable_memory_bytes == 1024000 * 1024


def test_a_quota_rounds_down_and_never_exceeds_the_affinity():
    assert Host(online=8, allowed=(0, 1, 2, 3), quota=2.9).cores == 2
    assert Host(online=8, allowed=(0, 1), quota=6.0).cores == 2


def test_caches_shared_by_processors_count_once(tmp_path):
    files = {}
    for processor in (0, 1):
        base = f"sys/devices/system/cpu/cpu{processor}/cache"
        for index, level, kind, size, shared in (
            (0, 1, "Data", "32K", str(processor)),
            (1, 1, "Instruction", "32K", str(processor)),
            (2, 2, "Unified", "1024K", str(processor)),
            (3, 3, "Unified", "32M", "0-1"),
        ):
            entry = {"level": str(level), "type": kind, "size": size, "shared_cpu_list": shared}
            files |= {f"{base}/index{index}/{name}": text for name, text in entry.items()}
    root = _write(tmp_path, files)
    assert read_caches(frozenset({0, 1}), root) == {"l1d": 65536.0, "l2": 2 * 2.0**20, "l3": 32 * 2.0**20}
    assert read_caches(frozenset({1}), root)["l2"] == 2.0**20
    assert read_caches(frozenset({7}), root) == {}


def test_the_nominal_clock_is_preferred_to_the_largest(tmp_path):
    folder = "sys/devices/system/cpu/cpu0"
    root = _write(tmp_path, {f"{folder}/cpufreq/cpuinfo_max_freq": "4900000\n"})
    assert read_nominal_frequency(0, root).hz == 4.9e9
    _write(tmp_path, {f"{folder}/acpi_cppc/nominal_freq": "3400\n"})
    assert read_nominal_frequency(0, root).hz == 3.4e9
    assert read_nominal_frequency(1, root) is None


def test_peaks_without_a_measurement_follow_from_the_clock():
    info = parse_cpuinfo((DATA / "cpuinfo-raspberry-pi-5.txt").read_text())
    facts = peaks(info, 4, Frequency(hz=2.4e9, how="test"), None)
    assert facts["fp32"].value == 4 * 2.4e9 * 16
    assert facts["int8"].value == 4 * facts["fp32"].value
    assert {fact.source for fact in facts.values()} == {"analytic"}
    assert (facts["int8"].unit, facts["fp32"].unit) == ("OP/s", "FLOP/s")


def test_peaks_follow_from_the_measured_rate():
    info = parse_cpuinfo((DATA / "cpuinfo-amd-epyc-zen5-kvm.txt").read_text())
    measured = Fact(value=2e11, unit="FLOP/s", source="measured")
    facts = peaks(info, 2, None, measured)
    assert facts["fp32"] == measured
    assert (facts["int8"].value, facts["int8"].source) == (8e11, "analytic")


def test_without_clock_and_measurement_no_peak_is_known():
    assert peaks(parse_cpuinfo((DATA / "cpuinfo-arm-neoverse-n1.txt").read_text()), 4, None, None) == {}
    assert peaks(CpuInfo(), 4, Frequency(hz=1e9, how="test"), None) == {}


def test_an_empty_system_is_described_and_says_what_is_missing(tmp_path):
    discovery = Probe(tmp_path).discover(measure=False)
    device = discovery.devices[0].type
    assert (device.kind, device.cores) == ("cpu", len(os.sched_getaffinity(0)))
    assert device.peak_ops_per_s == {}
    assert any("cache" in sentence for sentence in discovery.missing)
    assert any("peak arithmetic rate" in sentence for sentence in discovery.missing)


def test_a_recorded_board_is_discovered(tmp_path):
    _write(
        tmp_path,
        {
            "proc/cpuinfo": (DATA / "cpuinfo-raspberry-pi-5.txt").read_text(),
            "proc/meminfo": "MemTotal: 8255712 kB\n",
        },
    )
    discovery = Probe(tmp_path).discover(measure=False)
    device = discovery.devices[0].type
    assert device.identity["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert discovery.memory_bytes == 8255712 * 1024
    assert device.features == ("dotprod", "fp16", "neon")


def test_this_machine_is_discovered_and_measured():
    probe = Probe()
    discovery = probe.discover(measure=True)
    device = discovery.devices[0].type
    assert discovery.cores == device.cores
    assert 1 <= device.cores <= len(os.sched_getaffinity(0))
    bandwidth, rate = device.memory_bandwidth_bytes_per_s, device.peak_ops_per_s["fp32"]
    assert bandwidth is not None
    busy = any("this machine was busy" in sentence for sentence in discovery.seen)
    assert bandwidth.source == "measured"
    assert rate.source == "measured" or (busy and "while the machine was busy" in rate.ref)
    assert 5e8 < bandwidth.value < 2e13
    assert 1e8 < rate.value < 1e15
    assert probe.discover(measure=False).devices[0].type.name == device.name
    assert any("core" in sentence for sentence in discovery.seen)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors to leave one out")
def test_the_affinity_mask_is_respected():
    mask = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mask)})
        assert Probe().discover(measure=False).devices[0].type.cores == 1
    finally:
        os.sched_setaffinity(0, mask)
