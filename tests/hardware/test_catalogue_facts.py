"""The device catalogue is physically sane, and every fact says where it was read."""

import re

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, load_catalogue
from aios.records.document import parse
from aios.records.fleet import DeviceType, Fact

CATALOGUE = load_catalogue(root() / "hardware")
TYPES = [CATALOGUE[name] for name in CATALOGUE]
WIDTHS = [("fp64", "fp32"), ("fp32", "tf32"), ("tf32", "bf16"), ("fp32", "fp16"), ("fp16", "fp8"), ("bf16", "int8")]
WIDTHS += [("fp16", "int8"), ("fp32", "int8"), ("int8", "int4")]


def facts(device: DeviceType) -> list[Fact]:
    single = [getattr(device, field) for field in DeviceType.model_fields]
    modes = [fact for mode in device.power_modes for fact in (mode.cap_w, mode.peak_scale)]
    values = [*single, *modes, *device.peak_ops_per_s.values(), *device.cache_bytes.values()]
    return [value for value in values if isinstance(value, Fact)]


def test_the_catalogue_has_servers_edge_devices_and_accelerators():
    assert {device.kind for device in TYPES} >= {"cpu", "gpu", "npu", "tpu"}
    assert len(TYPES) >= 12


@pytest.mark.parametrize("device", TYPES, ids=lambda device: device.name)
def test_every_fact_names_its_source_reference_and_date(device):
    assert facts(device)
    for fact in facts(device):
        assert fact.source in {"datasheet", "analytic", "assumed"}
        assert fact.ref
        assert re.fullmatch(r"20[0-9]{2}(-[0-9]{2})?", fact.as_of)
        assert fact.source != "assumed" or "states none" in fact.ref or "published" in fact.ref


@pytest.mark.parametrize("device", TYPES, ids=lambda device: device.name)
def test_narrower_numbers_are_never_slower(device):
    peak = device.peak_ops_per_s
    for wide, narrow in WIDTHS:
        if wide in peak and narrow in peak:
            assert peak[wide].value <= peak[narrow].value, f"{wide} > {narrow}"


@pytest.mark.parametrize("device", TYPES, ids=lambda device: device.name)
def test_figures_are_of_this_world(device):
    """Bounds that hold for every device sold up to now; a slip of a unit or a factor of 1000 breaks them."""
    assert device.tdp_w is not None
    assert 0.5 <= device.tdp_w.value <= 1500
    if device.idle_w is not None:
        assert 0.02 <= device.idle_w.value / device.tdp_w.value <= 0.5
    best = max(fact.value for fact in device.peak_ops_per_s.values())
    assert 1e9 <= best / device.tdp_w.value <= 2e13  # operations per joule
    if device.memory_bandwidth_bytes_per_s is not None:
        assert 1e9 <= device.memory_bandwidth_bytes_per_s.value <= 1e13
        assert 1 <= best / device.memory_bandwidth_bytes_per_s.value <= 2000  # operations per byte
    if device.memory_bytes is not None:
        assert 1e9 <= device.memory_bytes.value <= 1e12
    for cache in device.cache_bytes.values():
        assert 1e6 <= cache.value <= 1e9


@pytest.mark.parametrize("device", [device for device in TYPES if device.power_modes], ids=lambda device: device.name)
def test_power_modes_trade_speed_for_power(device):
    caps = [mode.cap_w.value for mode in device.power_modes]
    scales = [mode.peak_scale.value for mode in device.power_modes]
    assert caps == sorted(caps, reverse=True)
    assert scales == sorted(scales, reverse=True)
    assert (caps[0], scales[0]) == (device.tdp_w.value, 1.0)
    assert caps[-1] > device.idle_w.value


@pytest.mark.parametrize("device", [device for device in TYPES if device.kind == "cpu"], ids=lambda device: device.name)
def test_the_peaks_of_processors_are_cores_times_clock_times_operations(device):
    per_cycle = device.peak_ops_per_s["fp32"].value / device.cores / device.frequency_hz.value
    assert per_cycle == pytest.approx(round(per_cycle), rel=1e-3)
    assert round(per_cycle) in {16, 32, 64}
    if {"avx512_vnni", "avx_vnni", "dotprod"} & set(device.features):
        assert device.peak_ops_per_s["int8"].value >= 3.99 * device.peak_ops_per_s["fp32"].value


# How a reference spells out the arithmetic behind an analytic fact -> the value that follows from its numbers.
ARITHMETIC = (
    (r"(\d+) channels? x (\d) B x (\d+) MT/s", lambda channels, width, rate: channels * width * rate * 1e6),
    (r"half of the (?:GPU's )?([\d.]+) T(?:FL)?OPS", lambda sparse: sparse / 2 * 1e12),
    (r"(\d) of (\d) TPCs at (\d+) of ([\d.]+) MHz", lambda on, of, clock, full: on / of * clock / full),
    (r"(\d+) cores x ([\d.]+) GHz .*x ([\d.]+) per cycle", lambda cores, clock, rate: cores * clock * 1e9 * rate),
    (r"(\d+) TFLOPS .* \((\d+) SMs x (\d+) lanes x 2\)", lambda rate, sms, lanes: rate * 1e12 / (sms * lanes * 2)),
)


@pytest.mark.parametrize(("pattern", "follows"), ARITHMETIC, ids=lambda part: part if isinstance(part, str) else "")
def test_analytic_facts_follow_from_their_references(pattern, follows):
    found = [(fact, match) for device in TYPES for fact in facts(device) if (match := re.search(pattern, fact.ref))]
    assert found
    for fact, match in found:
        assert fact.source == "analytic"
        assert fact.value == pytest.approx(follows(*map(float, match.groups())), rel=5e-3), fact.ref


# Published dense figures: GB, GB/s, fp32, fp16 and int8 in tera-operations, W.
PUBLISHED = {
    "nvidia-t4": (16, 320, 8.1, 65, 130, 70),
    "nvidia-l4": (24, 300, 30.3, 121, 242, 72),
    "nvidia-a100-sxm4-80gb": (80, 2039, 19.5, 312, 624, 400),
    "nvidia-h100-sxm5-80gb": (80, 3350, 67, 989, 1979, 700),
    "nvidia-h200-sxm-141gb": (141, 4800, 67, 989, 1979, 700),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_datacentre_gpus_agree_with_published_dense_figures(name):
    device, peak = CATALOGUE[name], CATALOGUE[name].peak_ops_per_s
    stated = (
        device.memory_bytes.value / 1e9,
        device.memory_bandwidth_bytes_per_s.value / 1e9,
        *(peak[precision].value / 1e12 for precision in ("fp32", "fp16", "int8")),
        device.tdp_w.value,
    )
    assert stated == pytest.approx(PUBLISHED[name], rel=0.005)


def test_no_two_entries_claim_the_same_hardware():
    claims: dict[tuple[str, str], str] = {}
    for name in CATALOGUE:
        path = root() / "hardware" / name.split("-")[0] / f"{name}.yaml"
        (document,) = parse(path.read_bytes(), str(path))
        for claim in document.data.get("match", {}).get("name", []):
            key = (CATALOGUE[name].kind, claim.casefold())
            assert key not in claims, f"{name} and {claims.get(key)} both match {claim}"
            claims[key] = name


def test_the_described_fleet_states_the_catalogues_facts():
    path = root() / "examples/described-fleet/fleet.yaml"
    fleet = compile_fleet(parse(path.read_bytes(), str(path)), {}, str(path))
    assert len(fleet.types) == 6
    assert {device.kind for device in fleet.types.values()} == {"cpu", "gpu", "npu"}
    assert any(device.power_modes for device in fleet.types.values())
    assert all(node.address is None for node in fleet.nodes)
    for name, device in fleet.types.items():
        assert device == CATALOGUE[name]
