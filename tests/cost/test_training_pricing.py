"""Prices of training jobs: sums that add up by hand, networks that slow, calibrations that correct, choices."""

import math
from pathlib import Path

import pytest

from aios import catalogue
from aios.check import audit
from aios.cost import Evidence, explain, price, search_in
from aios.cost.step_predictor import DENSE, PREDICTOR
from aios.cost.training.surroundings import assumed_network, hardware_at, machine_rate, network_rate
from aios.fleet.catalogue import load_catalogue
from aios.records.base import Span
from aios.records.calibration import Calibration, Effect, Provenance, Residual, Stage
from aios.records.candidate import Candidate
from aios.records.errors import InputError
from aios.records.fleet import DeviceSlot, Fact, Fleet, Link, Node, Topology
from aios.records.intent import Goal, Intent, ModelChoice, Requirement, Training
from aios.records.model import ModelProfile
from aios.records.training import Job, Spot
from aios.records.transformer import Attention, Transformer
from aios.solve import Limits, choose

HERE = Span(file="intent.yaml", line=3, column=7)
DEVICES = load_catalogue(Path(catalogue.root()) / "hardware")
H100, A100 = "nvidia-h100-sxm5-80gb", "nvidia-a100-sxm4-80gb"
TRAIN = Training(tokens=1e10, batch=512, sequence=4096)
DAY = 86400.0

MODEL = Transformer(
    name="decoder",
    architecture="LlamaForCausalLM",
    layers=32,
    hidden=4096,
    vocabulary=32000,
    attention=(Attention(layers=32, heads=32, kv_heads=32, head_dim=128, value_dim=128),),
    dense_layers=32,
    intermediate=11008,
    positions=8192,
)
PROFILES = {
    "m": ModelProfile(
        name="m", digest="sha256:m", format="transformer", file_bytes=0, inputs=(), outputs=(), precision="bf16",
        parameters=1, weight_bytes=2.0, macs=1.0, flops=2.0, activation_bytes=1.0, operators=(), batch_axis=0,
        transformer=MODEL,
    )
}  # fmt: skip


def intent(goal: str = "cost", within: float | None = None, train: Training = TRAIN) -> Intent:
    bound = [] if within is None else [Requirement(metric="time", bound=within, text="time", where=HERE)]
    return Intent(
        name="job",
        task="text-generation",
        models=(ModelChoice(name="m", path="m", card=True, where=HERE),),
        train=train,
        require=tuple(bound),
        goal=(Goal(direction="minimize", metric=goal),),
        where=HERE,
    )


def node(name: str, type_: str, devices: int = 8, count: int = 1, usd: float | None = None, **more) -> Node:
    cost = None if usd is None else Fact(value=usd, unit="USD/h")
    slot = DeviceSlot(type=type_, ids=tuple(str(i) for i in range(devices)))
    return Node(name=name, count=count, memory_bytes=2e12, devices=(slot,), price_usd_per_h=cost, **more)


def fleet(*nodes: Node, topology: tuple[Topology, ...] = (), links: tuple[Link, ...] = (), types=DEVICES) -> Fleet:
    used = {slot.type: types[slot.type] for item in nodes for slot in item.devices}
    return Fleet(name="f", nodes=nodes, types=used, topology=topology, links=links, digest="sha256:f", origin="test")


def candidate(
    device: str = H100, machines: int = 1, nodes: tuple[str, ...] = ("h",), precision: str = "bf16", **degrees: int
) -> Candidate:
    return Candidate(
        id=f"job/{precision}/{machines}/{sorted(degrees.items())}",
        intent="job",
        model="m",
        model_digest="sha256:m",
        device=device,
        nodes=nodes,
        executor="dryrun",
        precision=precision,
        batch=512,
        devices=8,
        machines=machines,
        degrees={"tensor": 1, "pipeline": 1, "data": 8 * machines, "context": 1, "expert": 1, **degrees},
        settings={"micro_batch": "1", "recompute": "none", "sharding": "zero1"},
    )


def every(on: Fleet, wanted: Intent) -> tuple:
    """Return all splits that a search finds, priced: the brute force that choices are compared with."""
    search, made = search_in(on), []
    for item in on.nodes:
        device = on.types[item.devices[0].type]
        for machines in range(1, item.count + 1):
            spot = Spot((item.name,), len(item.devices[0].ids), machines)
            for number, plan in enumerate(search(MODEL, device, spot, Job(4096, 512)).plans):
                split = candidate(
                    device.name, machines, (item.name,), tensor=plan.tensor, pipeline=plan.pipeline, data=plan.data,
                    context=plan.context,
                )  # fmt: skip
                settings = {
                    "micro_batch": str(plan.micro_batch),
                    "chunks": str(plan.chunks),
                    "recompute": plan.recompute,
                    "sharding": f"zero{plan.shard}",
                }
                name = f"job/{item.name}/{machines}/{number}"
                made.append((split.model_copy(update={"settings": settings, "id": name}), plan))
    options = price(wanted, [split for split, _ in made], PROFILES, on, Evidence())
    return tuple(zip(options, (plan for _, plan in made), strict=True))


def test_a_job_is_its_steps_one_after_the_other() -> None:
    """1e10 tokens in steps of 512 x 4096 are 4,769 steps; 8 devices at 40 USD/h for the machine cost 40 USD/h."""
    on = fleet(node("h", H100, usd=40.0, carbon_g_per_kwh=(300.0,)))
    (option,) = price(intent(), [candidate()], PROFILES, on, Evidence())
    numbers = {name: item.value for name, item in option.estimates.items()}
    step = 512 / numbers["throughput"]
    assert numbers["time"] == pytest.approx(4769 * step)
    assert numbers["energy"] == pytest.approx(numbers["power"] * numbers["time"])
    assert numbers["cost"] == pytest.approx(40.0)
    assert numbers["expense"] == pytest.approx(40.0 * numbers["time"] / 3600)
    assert numbers["carbon"] == pytest.approx(numbers["power"] / 1000 * 300)
    assert option.demand.device_memory_bytes * 8 == pytest.approx(option.estimates["memory"].high)
    assert (option.estimates["cost"].unit, option.estimates["expense"].unit) == ("USD/h", "USD")
    assert "40 USD/h" in option.estimates["expense"].basis
    for item in option.estimates.values():
        assert item.low <= item.value <= item.high


def test_computing_takes_what_the_peak_says_and_not_much_more() -> None:
    """Three passes of 2 operations per weight: the time of a step lies between 100 % and 35 % of the peak."""
    (option,) = price(intent(), [candidate()], PROFILES, fleet(node("h", H100)), Evidence())
    ideal = 6 * 6.6e9 * 512 * 4096 / (8 * 989e12)
    step = 512 / option.estimates["throughput"].value
    assert ideal < step < ideal / 0.35


def test_prices_are_those_that_the_search_went_by() -> None:
    for option, plan in every(fleet(node("h", H100, count=2, usd=40.0)), intent()):
        assert option.estimates["throughput"].value == pytest.approx(512 / plan.step_s)
        assert option.demand.device_memory_bytes == pytest.approx(plan.memory_bytes)


def test_the_accounts_add_up() -> None:
    on = fleet(node("h", H100, count=2))
    item = candidate(machines=2, tensor=2, pipeline=2, data=4)
    (option,) = price(intent(), [item], PROFILES, on, Evidence())
    step, memory, power = explain(intent(), option, PROFILES["m"], on, Evidence()).accounts
    assert sum(piece.value for piece in step.pieces) == pytest.approx(step.total)
    assert step.total == pytest.approx(512 / option.estimates["throughput"].value)
    assert {"matrix products", "attention", "tensor-parallel communication", "pipeline bubble", "optimizer"} <= {
        piece.name for piece in step.pieces
    }
    assert {piece.name: piece.bound for piece in step.pieces}["tensor-parallel communication"] == "network"
    assert sum(piece.value for piece in memory.pieces) == pytest.approx(option.estimates["memory"].value / 16)
    assert power.total == pytest.approx(option.estimates["power"].value)


def test_what_nobody_states_stays_unknown_and_says_why() -> None:
    bare = DEVICES[H100].model_copy(update={"tdp_w": None})
    (option,) = price(intent(), [candidate()], PROFILES, fleet(node("h", H100), types={H100: bare}), Evidence())
    assert {"power", "energy", "cost", "expense", "carbon"}.isdisjoint(option.estimates)
    assert "tdp_w" in option.unknown["energy"]
    assert "no price" in option.unknown["cost"]
    assert "no price" in option.unknown["expense"]
    assert "answers no requests" in option.unknown["latency.p99"]


SLOW = Topology(name="net", kind="switch", bandwidth_bytes_per_s=Fact(value=8e9, unit="B/s"))


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


SHARE = 0.8 / (1 + 256 / 4096) * 989.5 / (1.05 * 794.5)
"""Of what no product is believed to exceed, 5 % more than the quickest that was measured, products of 4096 channels are
taken to reach so much; no correction makes a step shorter, so that an interval that would begin at 0.7 begins here."""


def learnt(device: str, factor: float, version: int = PREDICTOR.version) -> Calibration:
    return Calibration(
        predictor="step",
        metric="throughput",
        version=version,
        stages=(
            Stage(
                keys=("device", "alike"), effects=(Effect(group=(device, DENSE), rows=9, constant=math.log(factor)),)
            ),
        ),
        residuals=(
            Residual(level="calibrated", stratum="", low=math.log(0.9), high=math.log(1.1), rows=9),
            Residual(level="zero-shot", stratum="", low=math.log(0.7), high=math.log(1.5), rows=9),
        ),
        provenance=(Provenance(table="t.csv", digest="sha256:t", rows=9),),
    )


def times(calibration: Calibration | None) -> tuple[float, float, float, str]:
    evidence = Evidence(calibrations={} if calibration is None else {("step", "throughput"): calibration})
    (option,) = price(intent(), [candidate()], PROFILES, fleet(node("h", H100)), evidence)
    time = option.estimates["time"]
    return time.low, time.value, time.high, time.source


def test_measured_steps_of_the_device_correct_and_narrow() -> None:
    _, physics, _, source = times(None)
    assert source == "analytic"
    low, value, high, source = times(learnt(H100, 1.2))
    assert (value, source) == (pytest.approx(1.2 * physics), "calibrated")
    assert (low, high) == (pytest.approx(0.9 * value), pytest.approx(1.1 * value))


def test_measured_steps_of_other_devices_only_say_how_far_off_it_may_be() -> None:
    _, physics, _, _ = times(None)
    low, value, high, source = times(learnt(A100, 1.2))
    assert (value, source) == (pytest.approx(physics), "analytic")
    assert (low, high) == (pytest.approx(SHARE * value), pytest.approx(1.5 * value))


def test_calibrations_of_another_version_are_not_used() -> None:
    assert times(learnt(H100, 1.2, PREDICTOR.version + 1)) == times(None)


HALLS = fleet(node("h", H100, count=2, usd=40.0), node("a", A100, count=4, usd=16.0))


@pytest.mark.parametrize("goal", ["cost", "expense", "energy", "time"])
@pytest.mark.parametrize("days", [1.2, 2.0, 4.0, 20.0])
def test_the_planner_chooses_as_brute_force_does(goal: str, days: float) -> None:
    wanted = intent(goal, days * DAY)
    options = [option for option, _ in every(HALLS, wanted)]
    selection = choose([wanted], {"job": options}, HALLS, Limits())
    best = min(
        (item.estimates[goal].value for item in options if item.estimates["time"].high <= days * DAY), default=None
    )
    assert best is not None
    chosen = selection.chosen["job"]
    assert chosen.estimates[goal].value == pytest.approx(best, rel=1e-6)
    assert audit([wanted], selection, HALLS).holds
    assert sum(part.replicas for part in selection.placement["job"]) == chosen.candidate.machines


@pytest.mark.parametrize("goal", ["cost", "expense", "energy"])
def test_a_looser_deadline_never_costs_more(goal: str) -> None:
    found = []
    for days in (1.2, 1.5, 2.0, 3.0, 5.0, 9.0, 20.0):
        wanted = intent(goal, days * DAY)
        options = [option for option, _ in every(HALLS, wanted)]
        found.append(choose([wanted], {"job": options}, HALLS, Limits()).chosen["job"].estimates[goal].value)
    assert found == sorted(found, reverse=True)
    assert goal != "cost" or found[0] > found[-1]


def test_a_deadline_that_nothing_meets_says_what_would_do() -> None:
    wanted = intent("cost", 3600.0)
    options = [option for option, _ in every(HALLS, wanted)]
    conflict = choose([wanted], {"job": options}, HALLS, Limits()).conflict
    assert conflict is not None
    (relaxation,) = conflict.relaxations
    quickest = min(item.estimates["time"].high for item in options)
    number, unit = relaxation.to.split()
    assert float(number) * {"d": DAY, "h": 3600.0}[unit] == pytest.approx(quickest, rel=0.02)


def pieces(item: Candidate, on: Fleet, evidence: Evidence) -> dict[str, float]:
    """Return the pieces of a candidate's step in seconds."""
    (option,) = price(intent(), [item], PROFILES, on, evidence)
    return {
        piece.name: piece.value for piece in explain(intent(), option, PROFILES["m"], on, evidence).accounts[0].pieces
    }


def of_precisions(**factors: float) -> Evidence:
    """Return a calibration of H100 that corrects the steps of each precision by a factor of its own."""
    effects = tuple(
        Effect(group=(H100, "engine", name, DENSE), rows=9, constant=math.log(factor))
        for name, factor in factors.items()
    )
    stage = Stage(keys=("device", "engine", "precision", "alike"), effects=effects)
    whole = learnt(H100, 1.0)
    return Evidence(calibrations={("step", "throughput"): whole.model_copy(update={"stages": (*whole.stages, stage)})})


@pytest.mark.parametrize(("wide", "narrow"), [(1.0, 1.0), (1.3, 0.5), (0.9, 0.3), (1.4, 1.6)])
def test_eight_bits_speed_up_products_alone_and_by_the_peaks_at_most(wide: float, narrow: float) -> None:
    """Whatever was measured of others: 1979 TFLOPS in fp8 are twice those in bf16."""
    on, evidence = fleet(node("h", H100)), of_precisions(bf16=wide, fp8=narrow)
    sixteen, eight = (pieces(candidate(precision=name), on, evidence) for name in ("bf16", "fp8"))
    assert eight["matrix products"] >= sixteen["matrix products"] / 2.001
    for name in ("attention", "norms, activations, copies"):
        assert eight[name] >= 0.999 * sixteen[name]
    if narrow > wide:
        assert sum(eight.values()) > 1.5 * 0.5 * sum(sixteen.values())


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("factor", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("tensor", [1, 8])
def test_no_product_runs_above_the_quickest_that_was_measured(precision: str, factor: float, tensor: int) -> None:
    on = fleet(node("h", H100))
    item = candidate(precision=precision, tensor=tensor, data=8 // tensor)
    found = pieces(item, on, of_precisions(bf16=factor, fp8=factor))["matrix products"]
    weights = 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32000 * 4096
    reached = 1.05 * DEVICES[H100].reached_ops_per_s[precision].value
    assert found >= 0.999 * 6 * weights * 512 * 4096 / (8 * reached)


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


def test_what_may_not_fit_is_not_planned() -> None:
    """The upper end of what a device may hold fits it, in the search, in the demand and in what is printed."""
    for option, plan in every(fleet(node("h", H100, count=2, usd=40.0), node("a", A100)), intent()):
        whole = option.candidate.devices * option.candidate.machines
        assert option.estimates["memory"].high / whole == pytest.approx(option.demand.device_memory_bytes)
        assert option.demand.device_memory_bytes <= 80e9
        assert plan.memory_bytes > sum(plan.held_bytes.values())
