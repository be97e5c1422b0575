"""Which device is meant by the names that tools and people use; the entries here are invented after real ones."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aios.catalogue import root
from aios.fleet import load_catalogue
from aios.fleet.matching import Names
from aios.records.fleet import DeviceType, Fact

MIB = 2**20
CATALOGUE = load_catalogue(root() / "hardware")


def entry(name, gigabytes=None, *names, kind="gpu", vendor="NVIDIA", model=None):
    memory = Fact(value=gigabytes * 1e9, unit="B") if gigabytes else None
    return DeviceType(name=name, kind=kind, vendor=vendor, model=model, memory_bytes=memory), names


ENTRIES = [
    entry("nvidia-v100-sxm2-16gb", 16, "Tesla V100-SXM2-16GB"),
    entry("nvidia-v100-sxm2-32gb", 32, "Tesla V100-SXM2-32GB"),
    entry("nvidia-v100-pcie-32gb", 32, "Tesla V100-PCIE-32GB"),
    entry("nvidia-a100-sxm4-40gb", 40, "NVIDIA A100-SXM4-40GB", "nvidia-tesla-a100"),
    entry("nvidia-a100-sxm4-80gb", 80, "NVIDIA A100-SXM4-80GB"),
    entry("nvidia-a100-pcie-80gb", 80, "NVIDIA A100 80GB PCIe"),
    entry("nvidia-h100-sxm5-80gb", 80, "NVIDIA H100 80GB HBM3"),
    entry("nvidia-h100-nvl-94gb", 94, "NVIDIA H100 NVL"),
    entry("nvidia-h20-96gb", 96),
    entry("nvidia-t4", 16, "Tesla T4"),
    entry("nvidia-a10", 24),
    entry("nvidia-rtx-3090", 24, "NVIDIA GeForce RTX 3090"),
    entry("nvidia-rtx-6000-ada", 48, "NVIDIA RTX 6000 Ada Generation"),
    entry("amd-instinct-mi300x", 192, "AMD Instinct MI300X", vendor="AMD"),
    entry("amd-epyc-7763", None, "AMD EPYC 7763 64-Core Processor", kind="cpu", vendor="AMD"),
    entry("intel-xeon-platinum-8280", None, kind="cpu", vendor="Intel"),
    entry("intel-xeon-platinum-8480plus", None, kind="cpu", vendor="Intel"),
    entry("intel-n100", None, kind="cpu", vendor="Intel"),
    entry("metax-n100", 16, vendor="MetaX"),
    entry("huawei-ascend-910b3", 64, "910B3", kind="npu", vendor="Huawei"),
    entry("apple-m1", None, "Apple M1", kind="cpu", vendor="Apple"),
    entry("apple-m1-gpu", None, "Apple M1 GPU", vendor="Apple"),
    entry("hygon-k100", 64, "K100", vendor="Hygon"),
    entry("kunlunxin-k100", 8, kind="npu", vendor="Kunlunxin"),
    entry("hailo-8", None, kind="npu", vendor="Hailo"),
    entry("hailo-8l", None, kind="npu", vendor="Hailo"),
    entry("moorethreads-mtt-s80", 16, "MTT S80", vendor="Moore Threads"),
    entry("raspberry-pi-5-8gb", 8, "raspberrypi,5-model-b", kind="cpu", vendor="Raspberry Pi"),
]
NAMES = Names(ENTRIES)


@pytest.mark.parametrize(
    ("written", "kind", "name"),
    [
        ("nvidia-t4", None, "nvidia-t4"),
        ("Tesla T4", "gpu", "nvidia-t4"),
        ("NVIDIA Tesla_T4", "gpu", "nvidia-t4"),
        ("t4", "other", "nvidia-t4"),
        ("NVIDIA-A100-SXM4-80GB", "gpu", "nvidia-a100-sxm4-80gb"),
        ("A100-SXM-80GB", "gpu", "nvidia-a100-sxm4-80gb"),
        ("a100_pcie_80g", "gpu", "nvidia-a100-pcie-80gb"),
        ("A100-40G", "gpu", "nvidia-a100-sxm4-40gb"),
        ("a100-40", "gpu", "nvidia-a100-sxm4-40gb"),
        ("A100 PCIe", "gpu", "nvidia-a100-pcie-80gb"),
        ("v100sxm2-32gb", "gpu", "nvidia-v100-sxm2-32gb"),
        ("V100M16", "gpu", "nvidia-v100-sxm2-16gb"),
        ("h100nvl", "gpu", "nvidia-h100-nvl-94gb"),
        ("RTX3090", "gpu", "nvidia-rtx-3090"),
        ("GeForce RTX 3090 24 GB", "gpu", "nvidia-rtx-3090"),
        ("NVIDIA RTX 6000 Ada Generation", "gpu", "nvidia-rtx-6000-ada"),
        ("mi300x", "gpu", "amd-instinct-mi300x"),
        ("AMD EPYC 7763 64-Core Processor", "cpu", "amd-epyc-7763"),
        ("Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz", "cpu", "intel-xeon-platinum-8280"),
        ("Intel(R) Xeon(R) Platinum 8480+", "cpu", "intel-xeon-platinum-8480plus"),
        ("Ascend910B3", "gpu", "huawei-ascend-910b3"),
        ("MetaX N100", None, "metax-n100"),
        ("n100", "cpu", "intel-n100"),
        ("nvidia-tesla-a100", "gpu", "nvidia-a100-sxm4-40gb"),  # to the letter what one list calls this one
        ("Apple M1", None, "apple-m1"),
        ("Apple M1 GPU", None, "apple-m1-gpu"),
        ("Hygon K100", None, "hygon-k100"),
        ("Kunlunxin k100", "gpu", "kunlunxin-k100"),  # lists call any accelerator a GPU
        ("Hailo-8L", "npu", "hailo-8l"),
        ("MTT S80", "gpu", "moorethreads-mtt-s80"),
        ("Moore Threads MTT S80", "gpu", "moorethreads-mtt-s80"),
        ("raspberrypi,5-model-b", "cpu", "raspberry-pi-5-8gb"),
        ("hailo8l", None, "hailo-8l"),
        ("AMD Instinct MI300X 192GB HBM3", None, "amd-instinct-mi300x"),
        ("NVIDIA A100-SXM4-80GB CTS", None, "nvidia-a100-sxm4-80gb"),
        ("NVIDIA A100 Tensor Core GPU 40GB", None, "nvidia-a100-sxm4-40gb"),
    ],
)
def test_one_device_is_meant(written, kind, name):
    assert NAMES.identify(written, kind).type.name == name


@pytest.mark.parametrize(
    ("written", "candidates"),
    [
        ("a100", ["nvidia-a100-pcie-80gb", "nvidia-a100-sxm4-40gb", "nvidia-a100-sxm4-80gb"]),
        ("V100M32", ["nvidia-v100-pcie-32gb", "nvidia-v100-sxm2-32gb"]),
        ("V100 SXM2", ["nvidia-v100-sxm2-16gb", "nvidia-v100-sxm2-32gb"]),
        ("N100", ["intel-n100", "metax-n100"]),
        ("H20", ["nvidia-h20-96gb"]),
        ("K100", ["hygon-k100", "kunlunxin-k100"]),
    ],
)
def test_what_could_be_several_is_not_decided(written, candidates):
    found = NAMES.identify(written)
    assert found.type is None
    assert list(found.candidates) == candidates
    assert found.why


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("G2", "gpu"),
        ("A10G", "gpu"),  # another card than the A10
        ("A1", "gpu"),
        ("RTX 6000", "gpu"),  # of another generation than the RTX 6000 Ada
        ("AMD T4", "gpu"),
        ("T4", "cpu"),
        ("L4-48GB", "gpu"),
        ("8", None),
        ("8L", None),
        ("", None),
        ("NVIDIA", "gpu"),
        ("gpu", "gpu"),
        ("A100 40GB 80GB", "gpu"),
        ("A100-OAM", "gpu"),
    ],
)
def test_what_is_not_there_is_not_guessed(written, kind):
    found = NAMES.identify(written, kind)
    assert (found.type, found.candidates) == (None, ())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("NVIDIA L40S-PCIE-48GB", "nvidia-l40s"),
        ("NVIDIA H200-SXM-141GB-CTS", "nvidia-h200-sxm-141gb"),
        ("NVIDIA GeForce RTX 4090 (Ada Lovelace)", "nvidia-geforce-rtx-4090"),
        ("NVIDIA GH200 Grace Hopper Superchip 96GB", "nvidia-gh200-96gb"),
        ("NVIDIA Jetson AGX Orin Developer Kit 64G", "nvidia-jetson-agx-orin-64gb"),
        ("AMD Instinct MI325X 256GB HBM3E", "amd-instinct-mi325x"),
        ("Intel Xeon Platinum 8480+ (Sapphire Rapids)", "intel-xeon-platinum-8480plus"),
        ("i9-13900K", "intel-core-i9-13900k"),
        ("13th Gen Intel(R) Core(TM) i9-13900K", "intel-core-i9-13900k"),
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-sxm5-80gb"),
    ],
)
def test_spellings_of_published_tables(written, name):
    assert CATALOGUE.names.identify(written).type.name == name


@pytest.mark.parametrize(
    "written",
    [
        "NVIDIA H100 80GB HBM2e",  # the PCIe card's memory, but no name of it
        "NVIDIA H200 141GB HBM3e",  # SXM or NVL
        "Jetson Xavier NX",  # there is one of 16 GB
        "NVIDIA Grace CPU Superchip",  # two of them
        "NVIDIA A10-24Q",  # a part of one, as virtual machines see it
        "NVIDIA A100-SXM-80C",
        "NVIDIA A100-SXM-80GB (1x1g.10gb MIG)",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 3080 (Mobile)",
        "NVIDIA H20 PCIe",
        "8x H100 PCIe 80GB",
        "AMD Instinct MI300X 192GB HBM3, AMD Instinct MI325X 256GB HBM3e",
        "Intel Xeon (code named Sapphire Rapids)",
        "HAILO15L",
    ],
)
def test_spellings_that_do_not_say_which_are_nobodys(written):
    assert CATALOGUE.names.identify(written).type is None


@pytest.mark.parametrize(
    ("written", "reported_mib", "name"),
    [
        ("Tesla V100-SXM2-16GB", 16160, "nvidia-v100-sxm2-16gb"),
        ("T4", 15360, "nvidia-t4"),
        ("T4", 15109, "nvidia-t4"),
        ("NVIDIA A100", 40960, "nvidia-a100-sxm4-40gb"),
        ("NVIDIA H100", 81559, "nvidia-h100-sxm5-80gb"),
        ("NVIDIA H100", 95830, "nvidia-h100-nvl-94gb"),
        ("AMD Instinct MI300X", 196592, "amd-instinct-mi300x"),
        ("H20", 97871, "nvidia-h20-96gb"),
        ("A10", 23028, "nvidia-a10"),
    ],
)
def test_the_memory_that_tools_report_decides(written, reported_mib, name):
    assert NAMES.identify(written, "gpu", reported_mib * MIB).type.name == name


def test_memory_that_does_not_fit_is_no_match():
    found = NAMES.identify("Tesla T4", "gpu", 81559 * MIB)
    assert (found.type, found.candidates) == (None, ("nvidia-t4",))
    assert "79.6 GiB" in found.why
    assert NAMES.identify("A100", "gpu", 81559 * MIB).candidates == ("nvidia-a100-pcie-80gb", "nvidia-a100-sxm4-80gb")


def test_a_maker_that_is_said_apart_counts():
    assert NAMES.identify("N100", None, maker="MetaX").type.name == "metax-n100"
    assert NAMES.identify("T4", None, maker="AMD").type is None


def test_the_nearest_names_are_offered():
    assert NAMES.nearest("nvidia-t40")[0] == "nvidia-t4"
    assert NAMES.nearest("Xeon Platinum 8281", "cpu")[0] == "intel-xeon-platinum-8280"
    assert NAMES.nearest("zzzzzzzzzzzz") == ()


@pytest.mark.parametrize(
    ("written", "kind", "nearest"),
    [
        ("npu_device", "npu", ()),
        ("gpu_device", None, ()),
        ("device", "other", ()),
        ("nvidia_gpu", "gpu", ()),
        ("nvidia-a100", None, ("nvidia-a100-pcie-40gb", "nvidia-a100-pcie-80gb", "nvidia-a100-sxm4-40gb")),
        ("nvida-t5", "gpu", ("nvidia-t4",)),
        ("hialo-8", "npu", ("hailo-8",)),
        ("Asced 911B", "npu", ("huawei-ascend-910b4", "huawei-ascend-910b3", "huawei-ascend-910b2")),
        ("GeForce GTX 1080", "gpu", ("nvidia-geforce-gtx-1080-ti",)),
        ("P400", "npu", ("kunlunxin-p800", "nvidia-p40", "nvidia-p100-pcie-16gb")),
    ],
)
def test_only_names_that_may_be_meant_are_offered_those_of_the_kind_first(written, kind, nearest):
    assert CATALOGUE.names.nearest(written, kind) == nearest


@given(st.text(max_size=300), st.sampled_from([None, "cpu", "gpu", "other"]))
def test_any_text_is_a_name(written, kind):
    found = NAMES.identify(written, kind)
    assert found.type is None or found.type.name in {device.name for device, _ in ENTRIES}


@given(st.sampled_from([name for device, more in ENTRIES for name in (device.name, *more)]), st.randoms())
def test_case_and_punctuation_do_not_matter(name, random):
    marks = ((mark.upper(), mark.lower()) if mark.isalnum() else (" ", "-", "_", "/") for mark in name)
    loud = "".join(random.choice(choices) for choices in marks)
    assert NAMES.identify(loud) == NAMES.identify(name)


def test_every_entry_of_the_catalogue_is_found_by_each_of_its_names():
    catalogue = CATALOGUE
    for path in sorted((root() / "hardware").glob("*/*.yaml")):
        device = catalogue[path.stem]
        match = yaml.safe_load(path.read_text()).get("match", {})
        for written in (device.name, *match.get("name", [])):
            memory = device.memory_bytes and device.memory_bytes.value
            found = catalogue.names.identify(written, device.kind, memory, device.vendor)
            assert found.type == device, f"{written}: {found.candidates or found.why}"
