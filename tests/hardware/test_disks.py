"""Disks, read from invented trees of files as Linux shows them, and measured here."""

import os
from pathlib import Path

import pytest

from aios_plugins.disks import Probe, room_bytes
from aios_plugins.disks.blocks import disk_below, read_disks
from aios_plugins.disks.measure import measure_disk
from aios_plugins.disks.mounts import Mount, mount_of

PCI = "sys/devices/pci0000:00"


def disk(root, name, at, rotational="0", size=2**21, model=None, number=None, partition=None):
    """A disk where the kernel lists it: in /sys/devices, with links from /sys/block and /sys/dev/block."""
    folder = root / at / name
    for file, text in {"queue/rotational": rotational, "size": str(size), "device/model": model}.items():
        if text is not None:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(f"{text}\n")
    link(root, f"sys/block/{name}", folder)
    link(root, f"sys/class/block/{name}", folder)
    if number:
        link(root, f"sys/dev/block/{number}", folder)
    if partition:
        (folder / partition[0]).mkdir()
        (folder / partition[0] / "partition").write_text("1\n")
        link(root, f"sys/dev/block/{partition[1]}", folder / partition[0])
        link(root, f"sys/class/block/{partition[0]}", folder / partition[0])
    return folder


def link(root, name, target):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def mounts(root, *lines):
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/mountinfo").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def server(tmp_path):
    """An NVMe disk under /, a rotating one under /data, a folder in memory."""
    disk(tmp_path, "nvme0n1", f"{PCI}/nvme/nvme0", model="SAMSUNG MZQL2  1T9", partition=("nvme0n1p2", "259:2"))
    disk(tmp_path, "sda", f"{PCI}/ata1", "1", model="ST4000", number="8:0")
    disk(tmp_path, "loop0", "sys/devices/virtual/block")
    mounts(
        tmp_path,
        "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw",
        "23 22 8:0 / /data\\040sets rw,relatime - xfs /dev/sda rw",
        "24 22 0:40 / /tmp rw - tmpfs tmpfs rw",
        "nonsense",
    )
    (tmp_path / "srv/work").mkdir(parents=True)
    return tmp_path


def test_the_disk_beneath_the_working_folder_is_a_tier(server):
    discovery = Probe(server, Path("/srv/work")).discover(measure=False)
    told = os.statvfs(server)
    for tier in discovery.memory_tiers:
        assert (tier.name, tier.kind, tier.read_bytes_per_s) == ("nvme", "nvme", None)
        assert 0 < tier.bytes.value <= told.f_bavail * told.f_frsize, "what others have written is not there to be used"
        assert tier.bytes.ref == "free on the file system at /, in whole 8ths of it"
    assert discovery.memory_tiers or "nvme0n1 is no memory tier: its file system is nearly full" in discovery.missing
    assert discovery.seen[0] == "disk nvme0n1: 1.0 GiB, NVMe, SAMSUNG MZQL2 1T9 (/sys/block)"
    assert discovery.seen[2].startswith("working folder /srv/work: on disk nvme0n1 (ext4 at /, ")
    assert discovery.missing[0] == "disk bandwidth was not measured: nobody asked for it"


@pytest.mark.parametrize(
    ("size", "free", "room"), [(800, 800, 800), (800, 799, 700), (800, 350, 300), (800, 99, 0), (800, 0, 0), (0, 0, 0)]
)
def test_a_tier_has_the_room_that_is_free_in_eighths(size, free, room):
    assert room_bytes(size, free) == room


def test_a_rotating_disk_is_no_tier_and_says_why(server):
    (server / "data sets").mkdir()
    discovery = Probe(server, Path("/data sets/models")).discover(measure=False)
    assert discovery.memory_tiers == ()
    assert discovery.missing[1].startswith("sda is no memory tier: the system reports a rotating disk; if it is flash")


def test_a_folder_in_memory_is_on_no_disk(server):
    discovery = Probe(server, Path("/tmp")).discover(measure=False)
    assert discovery.memory_tiers == ()
    assert any("on no disk of this machine that is visible (tmpfs at /tmp" in line for line in discovery.seen)


def test_a_virtual_disk_is_as_the_system_reports_it(tmp_path):
    disk(tmp_path, "vda", f"{PCI}/0000:00:02.0/virtio1/block", "1", number="254:0")
    mounts(tmp_path, "27 1 254:0 / / rw - ext4 /dev/vda rw")
    discovery = Probe(tmp_path, Path("/")).discover(measure=False)
    assert discovery.seen[0] == "disk vda: 1.0 GiB, rotating, virtual (/sys/block)"
    assert "which says little of a virtual disk" in discovery.missing[1]


def test_volumes_and_encryption_lie_on_a_disk(tmp_path):
    ssd = disk(tmp_path, "sda", f"{PCI}/ata1", partition=("sda3", "8:3"))
    for name, slave in (("dm-0", ssd / "sda3"), ("dm-1", tmp_path / "sys/devices/virtual/block/dm-0")):
        folder = tmp_path / "sys/devices/virtual/block" / name
        link(tmp_path, f"sys/devices/virtual/block/{name}/slaves/{slave.name}", slave)
        link(tmp_path, f"sys/dev/block/253:{name[-1]}", folder)
    found = disk_below(Mount(device="253:1", where="/", kind="ext4", source="/dev/mapper/root"), tmp_path)
    assert (found.name, found.kind) == ("sda", "ssd")


def test_a_file_system_without_a_device_number_is_found_by_its_source(server):
    found = disk_below(Mount(device="0:31", where="/", kind="btrfs", source="/dev/nvme0n1p2"), server)
    assert found.name == "nvme0n1"
    assert disk_below(Mount(device="0:31", where="/", kind="overlay", source="overlay"), server) is None
    assert disk_below(Mount(device="0:31", where="/", kind="nfs4", source="host:/share/"), server) is None


def test_an_array_of_unlike_disks_is_of_no_kind(tmp_path):
    parts = [disk(tmp_path, "sda", f"{PCI}/ata1"), disk(tmp_path, "sdb", f"{PCI}/ata2", "1")]
    for part in parts:
        link(tmp_path, f"sys/devices/virtual/block/md0/slaves/{part.name}", part)
    link(tmp_path, "sys/dev/block/9:0", tmp_path / "sys/devices/virtual/block/md0")
    assert disk_below(Mount(device="9:0", where="/", kind="ext4", source="/dev/md0"), tmp_path) is None


def test_the_last_and_longest_mount_holds_a_folder(tmp_path):
    mounts(tmp_path, "1 0 8:1 / / rw - ext4 a rw", "2 1 8:2 / /a rw - ext4 b rw", "3 2 8:3 / /a rw - ext4 c rw")
    assert mount_of(Path("/a/b"), tmp_path).source == "c"
    assert mount_of(Path("/ab"), tmp_path).source == "a"
    assert mount_of(Path("/"), tmp_path / "nowhere") is None


def test_an_empty_system_has_no_disk(tmp_path):
    assert read_disks(tmp_path) == ()
    discovery = Probe(tmp_path, Path("/")).discover(measure=False)
    assert "no disk is visible in /sys/block" in discovery.missing


def test_this_machines_disk_is_measured_or_the_reason_told(tmp_path):
    rates, problem = measure_disk(tmp_path, None)
    if rates is None:
        assert str(tmp_path) in problem
    else:
        assert 1e5 < rates.read < 1e12
        assert "O_DIRECT" in rates.how
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_not_measured(tmp_path):
    rates, problem = measure_disk(tmp_path / "nowhere", None)
    assert rates is None
    assert "cannot be written or read past the page cache" in problem
    assert measure_disk(tmp_path, 2**30) == (None, f"{tmp_path} has less than 2 GiB free")
