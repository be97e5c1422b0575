"""The device catalogue is physically sane, and every fact says who states it, where and when."""

import re
from collections.abc import Iterator, Mapping

import pytest
from pydantic import BaseModel

from aios.catalogue import root
from aios.fleet import compile_fleet, load_catalogue
from aios.records.document import parse
from aios.records.fleet import DeviceType, Fact

HARDWARE = root() / "hardware"
CATALOGUE = load_catalogue(HARDWARE)
TYPES = [CATALOGUE[name] for name in CATALOGUE]
FLOATS = [("fp64", "fp32"), ("fp32", "tf32"), ("tf32", "bf16"), ("fp32", "fp16"), ("fp16", "fp8"), ("fp8", "fp4")]
INTEGERS = [("bf16", "int8"), ("fp16", "int8"), ("fp32", "int8"), ("int8", "int4")]
FEW_INTEGER_UNITS = {"nvidia-b300-sxm-270gb", "nvidia-gb300-279gb"}
"""Blackwell Ultra has given most of its units for integers up for those of fp4."""
LEAST_PER_JOULE = {"cpu": 4e9, "gpu": 2e10}
"""Operations: of the oldest processor and board here, and some; any other kind of accelerator does better."""
LEAST_PER_BYTE = {"cpu": 5, "gpu": 8}
MADE_IN_YEARS = "(199[0-9]|20[0-9]{2})(-[0-9]{2}){0,2}"

every_device = pytest.mark.parametrize("device", TYPES, ids=lambda device: device.name)


def those_with(field: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "device", [device for device in TYPES if getattr(device, field)], ids=lambda device: device.name
    )


def facts(value: object) -> Iterator[Fact]:
    """Every fact in a record, however deep."""
    if isinstance(value, Fact):
        yield value
    elif isinstance(value, BaseModel):
        yield from (fact for name in type(value).model_fields for fact in facts(getattr(value, name)))
    elif isinstance(value, Mapping):
        yield from (fact for part in value.values() for fact in facts(part))
    elif isinstance(value, tuple):
        yield from (fact for part in value for fact in facts(part))


def within(fact: Fact | None, low: float, high: float) -> bool:
    return fact is None or low <= fact.value <= high


def best_peak(device: DeviceType) -> float | None:
    return max((fact.value for fact in device.peak_ops_per_s.values()), default=None)


def test_the_catalogue_covers_makers_from_edge_to_cluster():
    assert len(TYPES) >= 80
    assert {device.kind for device in TYPES} >= {"cpu", "gpu", "npu", "tpu", "fpga"}
    made = [device.vendor for device in TYPES]
    assert sum(made.count(vendor) for vendor in ("NVIDIA", "AMD", "Intel")) >= 55
    assert {"NVIDIA", "AMD", "Intel", "Google", "Hailo"} <= set(made)


@every_device
def test_every_fact_says_who_states_it_where_and_when(device):
    stated = list(facts(device))
    assert stated or device.name.startswith("generic-")
    assert device.vendor or device.name.startswith("generic-")
    for fact in stated:
        assert fact.trust in {"datasheet", "vendor claim", "third-party", "derived"}
        assert fact.source == {"datasheet": "datasheet", "derived": "analytic"}.get(fact.trust, "declared")
        assert fact.ref
        assert fact.ref.strip() == fact.ref
        assert re.fullmatch(MADE_IN_YEARS, fact.as_of), fact


@every_device
def test_narrower_numbers_are_never_slower(device):
    peak = device.peak_ops_per_s
    for wide, narrow in FLOATS + [pair for pair in INTEGERS if device.name not in FEW_INTEGER_UNITS]:
        if wide in peak and narrow in peak:
            assert peak[wide].value <= peak[narrow].value, f"{wide} > {narrow}"


@those_with("sparse_peak_ops_per_s")
def test_sparsity_gains_up_to_four_times(device):
    dense = device.peak_ops_per_s
    for precision, fact in device.sparse_peak_ops_per_s.items():
        if precision in dense:
            assert 1 <= fact.value / dense[precision].value <= 4, precision


@every_device
def test_figures_are_of_this_world(device):
    """Bounds that hold for every device sold up to now; a slip of a unit or a factor of 1000 breaks them."""
    wafer = 100 if device.name.startswith("cerebras-wse") else 1  # a whole wafer as one device
    on_chip = device.memory_kind == "sram"
    best, bandwidth = best_peak(device), device.memory_bandwidth_bytes_per_s
    assert within(device.tdp_w, 0.5, 1500 * wafer)
    assert within(device.memory_bytes, 1e6 if on_chip else 1e9, 1e12)
    assert within(bandwidth, 1e9, 3e14 * wafer if on_chip else 1e13)
    assert within(device.frequency_hz, 1e8, 6.5e9)
    assert within(device.price_usd, 20, 50_000)
    assert within(device.price_usd_per_h, 0.01, 100)
    assert best is None or (1e10 if device.kind == "cpu" else 2e11) <= best <= 2e16 * wafer
    if device.tdp_w is None and device.memory_bytes is None:
        assert best is None or best <= 5e14
    if best is not None and device.tdp_w is not None:
        assert LEAST_PER_JOULE.get(device.kind, 6e10) <= best / device.tdp_w.value <= 2e13
    if best is not None and bandwidth is not None:
        assert (3 if on_chip else LEAST_PER_BYTE.get(device.kind, 40)) <= best / bandwidth.value <= 8000
    for level, cache in device.cache_bytes.items():
        assert 3e4 <= cache.value <= (1.3e9 if level.startswith("l") else 5e10), level
        assert not device.cores or cache.value / device.cores <= 2e7, level
    for tier in device.memory_tiers:
        assert within(tier.bytes, 1e6, 1e13)
        assert within(tier.read_bytes_per_s, 1e8, 3e13)


@every_device
def test_a_device_draws_least_when_idle_and_within_its_limits(device):
    tdp, idle, low, high = device.tdp_w, device.idle_w, device.cap_low_w, device.cap_high_w
    if idle is not None and tdp is not None:
        assert 0.01 <= idle.value / tdp.value <= 0.6
    if low is not None and high is not None:
        assert low.value < high.value
        assert tdp is None or low.value <= tdp.value <= high.value <= 2 * tdp.value
        assert idle is None or idle.value < low.value


@those_with("power_modes")
def test_power_modes_trade_speed_for_power(device):
    caps = [mode.cap_w.value for mode in device.power_modes]
    scales = [mode.peak_scale.value for mode in device.power_modes if mode.peak_scale is not None]
    assert caps == sorted(caps, reverse=True)
    assert scales == sorted(scales, reverse=True)
    assert not scales or scales[0] == 1.0
    assert device.tdp_w is None or caps[0] == device.tdp_w.value
    assert device.idle_w is None or caps[-1] > device.idle_w.value


@those_with("partitions")
def test_the_parts_of_a_device_are_no_more_than_the_whole(device):
    assert len({part.name for part in device.partitions}) == len(device.partitions)
    for part in device.partitions:
        assert 0 < part.compute_share.value * part.most <= 1 + 1e-6, part.name
        assert part.bandwidth_share is None or 0 < part.bandwidth_share.value * part.most <= 1 + 1e-6, part.name
        # Makers round the memory in a part's name: 1g.24gb, four of which the 94 GB of an H100 NVL hold.
        assert part.memory_bytes.value * part.most <= 1.03 * device.memory_bytes.value, part.name


@pytest.mark.parametrize("device", [device for device in TYPES if device.vendor == "NVIDIA" and device.partitions])
def test_multi_instance_parts_are_what_their_names_say(device):
    slices = max(int(part.name[0]) for part in device.partitions)
    assert slices in (4, 7)
    for part in device.partitions:
        of_compute, of_memory = re.fullmatch(r"(\d)g\.(\d+)gb", part.name).groups()
        assert part.compute_share.value == pytest.approx(int(of_compute) / slices, abs=1e-6)
        assert part.memory_bytes.value == float(of_memory) * 1e9
        assert part.bandwidth_share.value == pytest.approx(
            part.memory_bytes.value / device.memory_bytes.value, rel=0.05
        )


GIGATRANSFERS = {"1": 2, "2": 4, "3": 7.88, "4": 15.75, "5": 31.51, "6": 63.0}  # per lane, after the line code
NVLINK = {"nvlink1": (20,), "nvlink2": (25,), "nvlink3": (25, 14.0625), "nvlink4": (25,), "nvlink5": (50,)}


@those_with("interconnects")
def test_interconnects_are_stated_in_one_direction(device):
    """A figure that counts both directions is twice too large for the kind of link that it is of."""
    kinds = [item.kind for item in device.interconnects]
    assert len(set(kinds)) == len(kinds)
    for item in device.interconnects:
        speed = item.bandwidth_bytes_per_s.value / 1e9
        assert 0.2 <= speed <= 2500
        if lanes := re.fullmatch(r"pcie(\d)-x(\d+)", item.kind):
            assert speed == pytest.approx(GIGATRANSFERS[lanes[1]] * int(lanes[2]) / 8, rel=0.03), item.kind
        if item.kind in NVLINK:
            assert any(speed == pytest.approx(one * item.links) for one in NVLINK[item.kind]), item.kind
        if ports := re.fullmatch(r"(?:roce|ethernet|infiniband)-(\d+)g", item.kind):
            assert speed == pytest.approx(int(ports[1]) / 8 * (item.links or 1)), item.kind


SERVER_PROCESSORS = [device for device in TYPES if device.kind == "cpu" and {"fp32"} <= set(device.peak_ops_per_s)]


@pytest.mark.parametrize("device", SERVER_PROCESSORS, ids=lambda device: device.name)
def test_the_peaks_of_processors_are_cores_times_clock_times_operations(device):
    per_cycle = device.peak_ops_per_s["fp32"].value / device.cores / device.frequency_hz.value
    assert per_cycle == pytest.approx(round(per_cycle), rel=2e-3)
    assert round(per_cycle) in {8, 16, 32, 64}
    gain = 32 if "amx_int8" in device.features else 4
    if "int8" in device.peak_ops_per_s and {"avx512_vnni", "avx_vnni", "dotprod"} & set(device.features):
        assert device.peak_ops_per_s["int8"].value >= 0.995 * gain * device.peak_ops_per_s["fp32"].value


# How a reference spells out the arithmetic behind a derived fact -> the value that follows from its numbers.
ARITHMETIC = (
    (r"^(\d+) channels? x (\d+) B x (\d+) MT/s", lambda channels, width, rate: channels * width * rate * 1e6),
    (r"^half of the (?:GPU's )?([\d.]+) T(?:FL)?OPS", lambda sparse: sparse / 2 * 1e12),
    (r"^half of the ([\d.]+) GB/s in both directions", lambda both: both / 2 * 1e9),
    (r"^half of the ([\d.]+) W of", lambda board: board / 2),
    (r"^(\d+) lanes x (\d+) GT/s x (\d+)/(\d+) / 8$", lambda lanes, rate, net, raw: lanes * rate * net / raw / 8 * 1e9),
    (r"^(\d+) ports x (\d+) Gbit/s / 8$", lambda ports, rate: ports * rate / 8 * 1e9),
    (r"^(\d) of (\d) TPCs at (\d+) of ([\d.]+) MHz", lambda on, of, clock, full: on / of * clock / full),
    (r"^(\d+) cores x ([\d.]+) GHz .*x ([\d.]+) per cycle", lambda cores, clock, rate: cores * clock * 1e9 * rate),
    (r"^(\d+) CUDA cores x 2 x ([\d.]+) MHz", lambda cores, clock: cores * 2 * clock * 1e6),
    (r"^(\d+) tensor cores x (\d+) per cycle x ([\d.]+) MHz", lambda cores, rate, clock: cores * rate * clock * 1e6),
    (r"^(\d+) Xe cores x (\d+) per cycle x ([\d.]+) GHz", lambda cores, rate, clock: cores * rate * clock * 1e9),
    (r"(\d+) TFLOPS .* \((\d+) SMs x (\d+) lanes x 2\)", lambda rate, sms, lanes: rate * 1e12 / (sms * lanes * 2)),
)
FACTS = [fact for device in TYPES for fact in facts(device)]


@pytest.mark.parametrize(("pattern", "follows"), ARITHMETIC, ids=lambda part: part if isinstance(part, str) else "")
def test_derived_facts_follow_from_their_references(pattern, follows):
    found = [(fact, match) for fact in FACTS if (match := re.search(pattern, fact.ref))]
    assert found
    for fact, match in found:
        assert fact.trust == "derived", fact
        assert fact.value == pytest.approx(follows(*map(float, match.groups())), rel=5e-3), fact.ref


# Published dense figures: GB, GB/s, fp32, fp16 and int8 in tera-operations, W; None where nothing is published.
PUBLISHED = {
    "nvidia-p100-sxm2-16gb": (16, 732, 10.6, 21.2, None, 300),
    "nvidia-v100-sxm2-32gb": (32, 900, 15.7, 125, None, 300),
    "nvidia-t4": (16, 320, 8.1, 65, 130, 70),
    "nvidia-a10": (24, 600, 31.2, 125, 250, 150),
    "nvidia-l4": (24, 300, 30.3, 121, 242, 72),
    "nvidia-l40s": (48, 864, 91.6, 362, 733, 350),
    "nvidia-a100-pcie-40gb": (40, 1555, 19.5, 312, 624, 250),
    "nvidia-a100-sxm4-80gb": (80, 2039, 19.5, 312, 624, 400),
    "nvidia-h100-pcie-80gb": (80, 2000, 51, 756, 1513, 350),
    "nvidia-h100-sxm5-80gb": (80, 3350, 67, 989, 1979, 700),
    "nvidia-h200-sxm-141gb": (141, 4800, 67, 989, 1979, 700),
    "nvidia-b200-sxm-180gb": (180, 8000, 75, 2250, 4500, 1000),
    "amd-instinct-mi250x": (128, 3277, 47.9, 383, 383, 500),
    "amd-instinct-mi300x": (192, 5300, 163.4, 1307, 2615, 750),
    "amd-instinct-mi355x": (288, 8000, 157.3, 2516, 5033, 1400),
    "intel-data-center-gpu-max-1550": (128, 3277, 52.4, 839, 1678, 600),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_datacentre_gpus_agree_with_published_dense_figures(name):
    device, peak = CATALOGUE[name], CATALOGUE[name].peak_ops_per_s
    rates = (peak.get(precision) for precision in ("fp32", "fp16", "int8"))
    stated = (device.memory_bytes, device.memory_bandwidth_bytes_per_s, *rates, device.tdp_w)
    units = (1e9, 1e9, 1e12, 1e12, 1e12, 1)
    for fact, unit, published in zip(stated, units, PUBLISHED[name], strict=True):
        assert (fact is None) == (published is None)
        assert fact is None or fact.value / unit == pytest.approx(published, rel=0.005)


def squashed(name: str) -> str:
    """A name without case, punctuation and maker, as it is compared with what tools say."""
    plain = re.sub(r"\((?:r|tm)\)", "", name.casefold())
    return re.sub(r"[^a-z0-9+]", "", re.sub(r"\b(nvidia|amd|intel)\b", "", plain))


def test_no_two_entries_claim_the_same_name():
    claims: dict[tuple[bool, str], str] = {}
    for name in CATALOGUE:
        (document,) = parse((HARDWARE / name.split("-")[0] / f"{name}.yaml").read_bytes(), name)
        model = f"{CATALOGUE[name].vendor} {CATALOGUE[name].model}"
        called = [name, model, *document.data.get("match", {}).get("name", [])]
        for claim in map(squashed, called):
            owner = claims.setdefault((CATALOGUE[name].kind == "cpu", claim), name)
            assert owner == name, f"{name} and {owner} are both called {claim}"


def test_the_described_fleet_states_the_catalogues_facts():
    path = root() / "examples/described-fleet/fleet.yaml"
    fleet = compile_fleet(parse(path.read_bytes(), str(path)), {}, str(path))
    assert len(fleet.types) == 6
    assert {device.kind for device in fleet.types.values()} == {"cpu", "gpu", "npu"}
    assert any(device.power_modes for device in fleet.types.values())
    assert all(node.address is None for node in fleet.nodes)
    for name, device in fleet.types.items():
        own = {field: None for field in ("idle_w", "launch_overhead_s") if _is_assumed(getattr(device, field))}
        assert device.model_copy(update=own) == CATALOGUE[name]


def _is_assumed(fact: Fact | None) -> bool:
    return fact is not None and fact.source == "assumed"
