"""Candidates of training jobs: they divide evenly, fit, stand on whole machines, and what is left out says why."""

from pathlib import Path

import pytest
from training_cases import decoder

from aios import catalogue
from aios.candidates import enumerate_candidates, training_problems, worthwhile
from aios.cost import Evidence, price, search_in
from aios.fleet.catalogue import load_catalogue
from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceSlot, Fact, Fleet, Node, Topology
from aios.records.intent import Constraints, Goal, Intent, Load, ModelChoice, Requirement, Training
from aios.records.model import ModelProfile
from aios.records.transformer import Transformer

HERE = Span(file="intent.yaml", line=3, column=7)
DEVICES = load_catalogue(Path(catalogue.root()) / "hardware")
H100, A100, L40S, V100 = (
    "nvidia-h100-sxm5-80gb",
    "nvidia-a100-sxm4-80gb",
    "nvidia-l40s",
    "nvidia-v100-sxm2-32gb",
)


class Willing:
    """Runs everything."""

    name = "willing"

    def can(self, candidate, device, model):
        del candidate, device, model


def profile(model: Transformer | None) -> ModelProfile:
    return ModelProfile(
        name="m",
        digest="sha256:m",
        format="transformer" if model else "onnx",
        file_bytes=0,
        inputs=(),
        outputs=(),
        precision="bf16",
        parameters=1,
        weight_bytes=2.0,
        macs=1.0,
        flops=2.0,
        activation_bytes=1.0,
        operators=(),
        batch_axis=0,
        transformer=model,
    )


def intent(train=None, require=None, goals=("cost",), **more) -> Intent:
    return Intent(
        name="job",
        task="text-generation",
        models=(ModelChoice(name="m", path="m", card=True, where=HERE),),
        train=train or Training(tokens=3e10, batch=512, sequence=4096),
        require=tuple(
            Requirement(metric=name, bound=bound, text=f"{name} <= {bound}", where=HERE)
            for name, bound in (require or {}).items()
        ),
        goal=tuple(Goal(direction="minimize", metric=name) for name in goals),
        where=HERE,
        **more,
    )


def node(name: str, type_: str, devices: int, count: int = 1, usd: float | None = None) -> Node:
    price = None if usd is None else Fact(value=usd, unit="USD/h")
    slot = DeviceSlot(type=type_, ids=tuple(str(i) for i in range(devices)))
    return Node(name=name, count=count, memory_bytes=2e12, devices=(slot,), price_usd_per_h=price)


def fleet(*nodes: Node, topology: tuple[Topology, ...] = ()) -> Fleet:
    types = {slot.type: DEVICES[slot.type] for item in nodes for slot in item.devices}
    return Fleet(name="f", nodes=nodes, types=types, topology=topology, digest="sha256:f", origin="test")


def found(wanted: Intent, on: Fleet, model: Transformer | None = None):
    shape = profile(model or decoder())
    return enumerate_candidates(wanted, {"m": shape}, on, {"willing": Willing()}, search=search_in(on))


def reasons(enumeration) -> str:
    return "\n".join(f"{row.what}: {row.clause}: {row.reason}" for row in enumeration.rejections)


def test_degrees_divide_the_devices_the_batch_and_the_model() -> None:
    candidates = found(intent(), fleet(node("h", H100, 8, 4))).candidates
    assert candidates
    for item in candidates:
        degree = dict(item.degrees)
        product = degree["tensor"] * degree["pipeline"] * degree["data"] * degree["context"]
        assert product == item.devices * item.machines
        assert 512 % (degree["data"] * int(item.settings["micro_batch"])) == 0
        assert 32 % degree["tensor"] == 0
        assert 32 % (degree["pipeline"] * int(item.settings.get("chunks", "1"))) == 0
        assert item.batch == 512
        assert item.replicas == 1
    assert len({item.id for item in candidates}) == len(candidates)


def test_beyond_one_machine_machines_are_whole() -> None:
    candidates = found(intent(), fleet(node("h", H100, 8, 4))).candidates
    assert {(item.machines, item.devices) for item in candidates} == {(1, 2), (1, 4), (1, 8), (2, 8), (4, 8)}


def test_what_does_not_fit_says_by_how_much() -> None:
    """6.7e9 parameters in mixed precision take 18 bytes each: 121 GB of states alone are more than one device has."""
    rows = [row for row in found(intent(), fleet(node("a", A100, 1))).rejections if row.clause == "memory"]
    assert [row.what for row in rows] == ["m bf16 on 1 nvidia-a100-sxm4-80gb"]
    assert "118 GiB at least" in rows[0].reason
    assert "of its 80 GiB" in rows[0].reason


def test_numbers_of_devices_that_divide_nothing_are_named() -> None:
    told = reasons(found(intent(), fleet(node("a", A100, 8, 3))))
    assert "m bf16 on 3 x 8 nvidia-a100-sxm4-80gb: degrees divide the job" in told
    assert "512 sequences, 32 heads and 32 blocks" in told


def test_a_sequence_longer_than_the_positions_leaves_no_way() -> None:
    long = intent(train=Training(tokens=1e9, batch=8, sequence=16384))
    answer = found(long, fleet(node("h", H100, 8)))
    assert answer.candidates == ()
    assert "16,384 tokens are longer than the 8,192 positions" in reasons(answer)


def test_eight_bits_only_where_the_device_has_them() -> None:
    both = found(intent(), fleet(node("h", H100, 8), node("a", A100, 8))).candidates
    assert {(item.device, item.precision) for item in both} == {(H100, "bf16"), (H100, "fp8"), (A100, "bf16")}


def test_devices_without_bf16_compute_in_fp16() -> None:
    small = decoder(layers=12, hidden=768, heads=12, positions=4096)
    candidates = found(intent(), fleet(node("v", V100, 8)), small).candidates
    assert {item.precision for item in candidates} == {"fp16"}


def test_processors_are_left_out_with_a_reason() -> None:
    name = next(name for name, device in sorted(DEVICES.items()) if device.kind == "cpu" and device.cores)
    cpu = Node(name="c", cores=8, devices=(DeviceSlot(type=name, ids=("cpu0",)),))
    answer = found(intent(), fleet(cpu))
    assert answer.candidates == ()
    assert "predicted for accelerators alone" in reasons(answer)


@pytest.mark.parametrize(
    ("pin", "kept"),
    [
        (Constraints(device=(A100,)), lambda item: item.device == A100),
        (Constraints(precision=("fp8",)), lambda item: item.precision == "fp8"),
        (Constraints(node=("h",)), lambda item: item.nodes == ("h",)),
    ],
)
def test_pins_hold(pin, kept) -> None:
    candidates = found(intent(pin=pin), fleet(node("h", H100, 8), node("a", A100, 8))).candidates
    assert candidates
    assert all(map(kept, candidates))


@pytest.mark.parametrize("pin", [Constraints(batch=(64,)), Constraints(replicas=(2,))])
def test_pins_that_contradict_the_job_leave_no_way_and_say_so(pin) -> None:
    answer = found(intent(pin=pin), fleet(node("h", H100, 8)))
    assert answer.candidates == ()
    assert "the intent pins" in reasons(answer)


def test_unlike_machines_are_not_mixed() -> None:
    candidates = found(intent(), fleet(node("wide", H100, 8, 2), node("narrow", H100, 4, 2))).candidates
    assert {item.nodes for item in candidates} == {("wide",), ("narrow",)}
    assert {item.devices for item in candidates if item.nodes == ("narrow",)} == {2, 4}


def test_machines_of_other_prices_are_joined_only_for_more_than_each_has() -> None:
    candidates = found(intent(), fleet(node("dear", H100, 8, 2, 50), node("cheap", H100, 8, 2, 40))).candidates
    joined = {item.machines for item in candidates if len(item.nodes) == 2}
    assert joined == {4}
    assert {item.machines for item in candidates if item.nodes == ("cheap",)} == {1, 2}


def test_machines_that_nothing_connects_train_nothing_together() -> None:
    on = fleet(
        node("dear", H100, 8, 1, 50),
        node("cheap", H100, 8, 1, 40),
        topology=(
            Topology(name="one", kind="switch", members=("dear",)),
            Topology(name="two", kind="switch", members=("cheap",)),
        ),
    )
    answer = found(intent(), on)
    assert {item.machines for item in answer.candidates} == {1}
    assert "nothing connects the machines of cheap, dear" in reasons(answer)


def test_halls_of_equal_machines_that_nothing_connects_train_apart() -> None:
    halls = tuple(Topology(name=name, kind="switch", members=(name,)) for name in ("one", "two"))
    answer = found(intent(), fleet(node("one", H100, 8, 2), node("two", H100, 8, 4), topology=halls))
    several = {(item.nodes, item.machines) for item in answer.candidates if item.machines > 1}
    assert several == {(("one",), 2), (("two",), 2), (("two",), 4)}
    assert len({item.id for item in answer.candidates}) == len(answer.candidates)


def test_experts_lie_across_replicas() -> None:
    mixture = decoder(experts=8)
    candidates = found(intent(), fleet(node("h", H100, 8, 8)), mixture).candidates
    assert any(item.degrees["expert"] > 1 for item in candidates)
    for item in candidates:
        assert (item.degrees["data"] * item.degrees["context"]) % item.degrees["expert"] == 0


def test_a_model_of_10_to_the_15_parameters_says_what_memory_it_lacks() -> None:
    huge = decoder(layers=1024, hidden=262144, heads=1024)
    rows = [row for row in found(intent(), fleet(node("h", H100, 8, 64)), huge).rejections if row.clause == "memory"]
    assert rows
    assert all("TiB at least" in row.reason for row in rows)


def test_order_of_nodes_changes_nothing() -> None:
    nodes = (node("a", A100, 8, 2, 16), node("h", H100, 8, 2, 40), node("b", A100, 8, 1, 20))
    forth, back = (found(intent(), fleet(*order)).candidates for order in (nodes, nodes[::-1]))
    assert forth == back


def priced(id_: str, **values: float) -> Priced:
    units = {"time": "s", "energy": "J", "memory": "B", "cost": "USD/h"}
    candidate = Candidate(
        id=id_, intent="job", model="m", model_digest="sha256:m", device=H100, nodes=("h",), executor="willing",
        precision="bf16", devices=8, machines=1,
    )  # fmt: skip
    return Priced(
        candidate=candidate,
        estimates={
            name: Estimate(metric=name, value=n, low=n, high=n, unit=units[name], source="analytic", basis="by hand")
            for name, n in values.items()
        },
        demand=Demand(share=1.0, cores=0, device_memory_bytes=0.0, node_memory_bytes=0.0),
    )


def test_of_equals_over_the_same_devices_the_quickest_stays() -> None:
    options = (
        priced("slow", time=3.0, cost=40.0, memory=1.0),
        priced("quick", time=1.0, cost=40.0, memory=9.0),
        priced("middle", time=2.0, cost=40.0, memory=5.0),
    )
    assert [item.candidate.id for item in worthwhile(intent(), options).options] == ["quick"]
    named = worthwhile(intent(goals=("memory",)), options)
    assert [item.candidate.id for item in named.options] == ["slow", "quick", "middle"]
    assert named.rejections == ()


@pytest.mark.parametrize("goal", ["time", "energy", "memory", "power", "cost"])
def test_leaving_out_never_costs_the_best(goal: str) -> None:
    wanted = intent(goals=(goal,), require={"time": 20 * 86400.0})
    on = fleet(node("h", H100, 8, 2, 40), node("a", A100, 8, 4, 16))
    profiles = {"m": profile(decoder())}
    every = price(wanted, found(wanted, on).candidates, profiles, on, Evidence())
    kept = worthwhile(wanted, every).options
    assert 0 < len(kept) <= len(every)

    def best(options):
        in_time = [item for item in options if item.estimates["time"].high <= 20 * 86400.0]
        return min(item.estimates[goal].value for item in in_time)

    assert best(kept) == best(every)


def test_what_cannot_be_trained_is_said_where_it_is_written() -> None:
    (problem,) = training_problems(intent(), {"m": profile(None)})
    assert problem.where == HERE
    assert "no transformer" in problem.summary
    both = intent(load=Load(rate_per_s=1.0))
    (problem,) = training_problems(both, {"m": profile(decoder())})
    assert "both a load and a training job" in problem.summary
    assert training_problems(intent(), {"m": profile(decoder())}) == []


def test_impossible_sizes_are_named_where_they_are_written() -> None:
    spans = {f"spec.train.{name}": HERE for name in ("tokens", "batch", "sequence")}
    sizes = Training(tokens=1e300, batch=10**12, sequence=10**10)
    found_ = training_problems(intent(train=sizes, spans=spans), {"m": profile(decoder())})
    assert [item.where for item in found_] == [HERE] * 3
    assert [word in item.summary for item, word in zip(found_, ("tokens", "batch", "sequence"), strict=True)] == [
        True
    ] * 3
