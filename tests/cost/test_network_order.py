"""What holds of networks whatever was learnt: larger batches, less precision, data sheets, and who made the device."""

import math
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from aios.cost import Evidence, price
from aios.cost.network_predictor import PREDICTOR
from aios.cost.network_setting import setting_of
from aios.cost.networks.bounds import least_s
from aios.cost.ordering import halved, narrower, wider
from aios.cost.roofline import roofline
from aios.records.calibration import Calibration, Effect, Residual, Stage
from aios.records.fleet import DeviceSlot, Fact, MemoryTier, Node

FIXTURES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORK = {"convolution_macs": 1e9, "pointwise_macs": 5e8, "pointwise_values": 2e7, "kernels": 60.0, "weights": 2e7}
"""An invented network whose operators are counted."""
PRECISIONS = ("fp32", "fp16", "int8")


def calibration(device="gpu", constants=None, classes=(), makers=None):
    """What is known of a device by precision, and of classes of devices."""
    effects = tuple(
        Effect(group=(device, f"tensorrt|{precision}||inference"), rows=rows, constant=constant)
        for precision, (rows, constant) in (constants or {}).items()
    )
    mixes = tuple(Effect(group=(name,), rows=100, terms={"convolution_macs": 2.0}) for name in classes)
    ends = {"low": -0.2, "high": 0.2, "rows": 40, "stratum": ""}
    return Calibration(
        predictor="network",
        metric="latency.mean",
        version=PREDICTOR.version,
        makers=makers or {},
        mixes=(Stage(keys=("class",), effects=mixes),) if mixes else (),
        stages=(Stage(keys=("device", "setting"), effects=effects),) if effects else (),
        residuals=tuple(Residual(level=level, **ends) for level in ("zero-shot", "calibrated")),
    )


def known(**told):
    return {("network", "latency.mean"): calibration(**told)}


def as_int8(candidate, way="static"):
    return candidate.model_copy(update={"precision": "int8", "quantization": way})


def rates(intent, candidates, profile, fleet, calibrations):
    found = price(intent, candidates, {"net": profile}, fleet, Evidence(calibrations=calibrations))
    return [option.estimates["throughput"] for option in found]


@pytest.fixture
def busy(intent):
    return intent.model_copy(update={"load": None})


@pytest.fixture
def counted(profile):
    return profile.model_copy(update={"work": WORK, "macs": 1.5e9})


@pytest.fixture
def on_gpu(candidate):
    return candidate.model_copy(update={"device": "gpu", "threads": 0, "nodes": ("rig",)})


def in_precisions(candidate):
    return [
        as_int8(candidate) if name == "int8" else candidate.model_copy(update={"precision": name})
        for name in PRECISIONS
    ]


def test_a_precision_that_was_not_measured_comes_from_the_nearest_that_was(gpu):
    learnt = known(constants={"int8": (900, 0.0), "fp16": (6, 0.0)})
    asked = ("fp32", "fp16", "bf16", "int8", "int4")
    found = [setting_of(learnt, gpu, "engine", precision).precision for precision in asked]
    assert found == ["fp16", "fp16", "fp16", "int8", "int8"]


@FIXTURES
@hypothesis_given(
    st.dictionaries(st.sampled_from(PRECISIONS), st.tuples(st.integers(1, 50), st.floats(-2.0, 2.0)), max_size=2),
    st.sampled_from([1, 8]),
)
def test_less_precision_is_no_slower_unless_it_was_measured_so(busy, on_gpu, counted, fleet, constants, batch):
    asked = in_precisions(on_gpu.model_copy(update={"batch": batch}))
    learnt = known(constants=constants) if constants else known(classes=("gpu|tensorrt||inference",))
    found = dict(zip(PRECISIONS, rates(busy, asked, counted, fleet, learnt), strict=True))
    for wide, narrow in (("fp32", "fp16"), ("fp16", "int8"), ("fp32", "int8")):
        if not {wide, narrow} <= constants.keys():
            assert found[wide].value <= found[narrow].value * (1 + 1e-9) or _between(constants, found, wide, narrow)


def _between(constants, found, wide, narrow):
    """Two that were measured in the wrong order leave no place in order for the third."""
    measured = sorted(constants, key=PRECISIONS.index)
    return len(measured) == 2 and found[measured[0]].value > found[measured[1]].value and {wide, narrow} - {*measured}


def test_what_was_measured_stands_and_the_other_follows(busy, on_gpu, counted, fleet):
    slow_halves = known(constants={"fp16": (20, 3.0)})
    fp32, fp16, int8 = rates(busy, in_precisions(on_gpu), counted, fleet, slow_halves)
    alone = rates(busy, in_precisions(on_gpu)[1:2], counted, fleet, slow_halves)[0]
    assert fp16 == alone, "with or without the others"
    assert fp32.value <= fp16.value <= int8.value


def test_a_roofline_alone_is_in_order_too(intent, candidate, profile, fleet, cpu):
    """At one peak the priors would have 8 bits computed at two thirds of the speed of 32."""
    level = cpu.model_copy(
        update={"peak_ops_per_s": {name: Fact(value=4e11, unit="op/s") for name in ("fp32", "int8")}}
    )
    around = fleet.model_copy(update={"types": {**fleet.types, "cpu": level}})
    assert roofline(profile, level, as_int8(candidate), 1).value > roofline(profile, level, candidate, 1).value
    plain, narrow, dynamic = rates(
        intent.model_copy(update={"load": None}),
        [candidate, as_int8(candidate), as_int8(candidate, "dynamic")], profile, around, {},
    )  # fmt: skip
    assert narrow.value == pytest.approx(plain.value)
    assert dynamic.value < plain.value, "it does more than either"


def test_order_is_of_stated_peaks_and_of_graphs_that_are_quantised_as_a_whole(profile, cpu, gpu, on_gpu, candidate):
    def names(found):
        return [item.precision for item in found]

    assert names(wider(profile, gpu, as_int8(on_gpu))) == ["fp32", "fp16", "bf16"]
    assert names(narrower(profile, gpu, on_gpu)) == ["fp16", "int8"], "no peak of bf16 is stated"
    assert names(wider(profile, cpu, as_int8(candidate))) == ["fp32"]
    assert not names(wider(profile, gpu, as_int8(on_gpu, "dynamic")))
    weak = gpu.model_copy(update={"peak_ops_per_s": {**gpu.peak_ops_per_s, "fp16": Fact(value=1e11, unit="op/s")}})
    assert names(narrower(profile, weak, on_gpu)) == ["int8"], "halves that a device computes more slowly are no bound"


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1]), (6, [6, 3]), (8, [8, 4, 2, 1])])
def test_batches_are_split_evenly(batch, sizes):
    assert list(halved(batch)) == sizes


@FIXTURES
@hypothesis_given(st.floats(1e5, 1e8), st.sampled_from(["none", "dynamic"]), st.booleans())
def test_a_batch_is_never_slower_than_its_halves(intent, candidate, profile, fleet, cpu, cache, way, learnt):
    cached = cpu.model_copy(update={"cache_bytes": {"l3": Fact(value=cache, unit="B")}})
    around = fleet.model_copy(update={"types": {**fleet.types, "cpu": cached}})
    light = tuple(item.model_copy(update={"flops": item.flops / 1e3}) for item in profile.operators)
    bound = profile.model_copy(update={"operators": light, "work": WORK})
    plain = candidate if way == "none" else as_int8(candidate, way)
    batches = [plain.model_copy(update={"batch": 2**power}) for power in range(7)]
    calibrations = known(device="cpu", constants={"fp32": (9, 0.3)}) if learnt else {}
    found = rates(intent.model_copy(update={"load": None}), batches, bound, around, calibrations)
    for one, two in pairwise(found):
        assert two.value >= one.value * (1 - 1e-9)
        assert two.low >= one.low * (1 - 1e-9)
        assert two.high >= one.high * (1 - 1e-9)


def test_what_leaves_a_cache_leaves_it_share_by_share(profile, cpu, candidate):
    heavy = profile.operators[0].model_copy(
        update={"flops": 1.0, "count": 1, "weight_bytes": 0.0, "input_bytes": 1e6, "output_bytes": 0.0}
    )
    moving = profile.model_copy(update={"operators": (heavy,), "activation_bytes": 1e6, "weight_bytes": 0.0})
    cached = cpu.model_copy(update={"cache_bytes": {"l3": Fact(value=4e6, unit="B")}})
    seconds = [roofline(moving, cached, candidate, batch).value - 2e-6 for batch in (4, 8, 16)]
    # Two of four threads draw half of 20e9 x 0.7, and half of four times as much from the cache.
    memory, cache = 7e9, 28e9
    assert seconds[0] == pytest.approx(4e6 / cache)
    assert seconds[1] == pytest.approx(8e6 * (0.5 / cache + 0.5 / memory))
    assert seconds[2] == pytest.approx(16e6 * (0.25 / cache + 0.75 / memory))


@FIXTURES
@hypothesis_given(st.floats(-8.0, 0.0), st.sampled_from(PRECISIONS), st.sampled_from([1, 16]))
def test_no_more_is_expected_than_the_data_sheet_states(busy, on_gpu, counted, fleet, constant, precision, batch):
    way = dict(zip(PRECISIONS, in_precisions(on_gpu.model_copy(update={"batch": batch})), strict=True))[precision]
    learnt = known(constants={precision: (30, constant)})
    found = rates(busy, [way], counted, fleet, learnt)[0]
    peak = fleet.types["gpu"].peak_ops_per_s[precision].value
    assert found.value <= peak / 3e9 * (1 + 1e-9)


def test_engines_may_spare_products_at_the_optimistic_end_alone(counted, gpu):
    low, value, high = least_s(counted, gpu, "fp16", 0, 4)
    assert low == pytest.approx(2 * 4 * (1e9 / 4 + 0.5e9) / 64e12)  # F(4x4, 3x3) on dense kernels
    assert value == high == pytest.approx(2 * 4 * 1.5e9 / 64e12)


NPUS = {
    "classes": ("npu|chain||inference", "npu|open||inference", "gpu|torch.compile||inference"),
    "makers": {
        "npu|chain||inference": ("Qualcomm",),
        "npu|open||inference": ("Qualcomm", "Rockchip"),
        "gpu|torch.compile||inference": ("NVIDIA",),
        "cpu|torch.compile||inference": ("Intel",),
    },
}
"""Software that ran on devices of one maker, of several, and on several kinds of devices."""


@pytest.mark.parametrize(
    ("kind", "vendor", "classes", "software"),
    [
        ("npu", "Qualcomm", ["npu|chain||inference"], "chain"),
        ("npu", "Groq", ["npu|chain||inference"], None),
        ("npu", None, ["npu|chain||inference"], None),
        ("npu", "Groq", ["npu|chain||inference", "npu|open||inference"], "open"),
        ("gpu", "AMD", ["gpu|torch.compile||inference"], "torch.compile"),
        ("npu", "Groq", ["npu|torch.compile||inference"], None),
        ("tpu", "Google", NPUS["classes"], None),
    ],
)
def test_software_of_one_maker_tells_nothing_of_the_devices_of_another(gpu, kind, vendor, classes, software):
    device = gpu.model_copy(update={"name": "card", "kind": kind, "vendor": vendor})
    makers = {**NPUS["makers"], "npu|torch.compile||inference": ("AWS",)}
    found = setting_of(known(classes=tuple(classes), makers=makers), device, "engine", "fp16")
    assert (found and found.software) == software


def test_what_was_learnt_before_makers_were_kept_speaks_for_all(gpu):
    device = gpu.model_copy(update={"name": "card", "kind": "npu", "vendor": "Groq"})
    found = setting_of(known(classes=("npu|chain||inference",)), device, "engine", "fp16")
    assert found.software == "chain"


def test_memory_counts_what_lives_in_further_memory_of_the_device(busy, candidate, profile, fleet, cpu):
    tier = MemoryTier(
        name="hbm", kind="hbm", bytes=Fact(value=64e9, unit="B"), read_bytes_per_s=Fact(value=1e12, unit="B/s")
    )
    slots = (DeviceSlot(type="cpu", ids=("cpu0",)),)
    boxes = {
        "device": (cpu.model_copy(update={"memory_tiers": (tier,)}), ()),
        "node": (cpu, (tier,)),
    }
    found = {}
    for where, (device, tiers) in boxes.items():
        node = Node(name="box", cores=4, memory_bytes=8e9, devices=slots, memory_tiers=tiers)
        around = fleet.model_copy(update={"nodes": (node,), "types": {"cpu": device}})
        ways = [candidate.model_copy(update={"tiers": {"weights": "hbm"}, "replicas": count}) for count in (1, 2)]
        found[where] = [
            option.estimates["memory"].value for option in price(busy, ways, {"net": profile}, around, Evidence())
        ]
    one, two = found["device"]
    assert one == pytest.approx(found["node"][0] + 4e6), "4 MB of weights"
    assert two - one == pytest.approx(found["node"][1] - found["node"][0]), "replicas share them"


def test_ends_stay_in_order(busy, on_gpu, counted, fleet):
    learnt = known(constants={"fp16": (20, 3.0)})
    for item in rates(busy, in_precisions(on_gpu), counted, fleet, learnt):
        assert 0 < item.low <= item.value <= item.high < math.inf
