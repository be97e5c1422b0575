"""Every way to run is there once, and every family that is not has a row that says why."""

from collections.abc import Callable, Mapping

import pytest

from aios.candidates import Enumeration, enumerate_candidates
from aios.records.base import Span
from aios.records.candidate import Candidate, Rejection
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.intent import Constraints, Data, Intent, Load, Requirement
from aios.records.model import ModelProfile
from aios.spi.executor import Executor

HERE = Span(file="intent.yaml", line=1, column=1)
Enumerate = Callable[..., Enumeration]


@pytest.fixture
def enumerated(
    intent: Intent, profiles: dict[str, ModelProfile], fleet: Fleet, willing: Mapping[str, Executor]
) -> Enumerate:
    """Enumerate with any of the four arguments replaced, and with fields of the intent changed."""

    def run(executors: Mapping[str, Executor] = willing, fleet: Fleet = fleet, **changes: object) -> Enumeration:
        models = changes.pop("profiles", profiles)
        return enumerate_candidates(intent.model_copy(update=changes), models, fleet, executors)  # type: ignore[arg-type]  # keyword arguments of a test

    return run


def ways(found: Enumeration, **fields: object) -> list[Candidate]:
    return [item for item in found.candidates if all(getattr(item, name) == value for name, value in fields.items())]


def row(found: Enumeration, what: str) -> Rejection:
    rows = [item for item in found.rejections if item.what == what]
    assert len(rows) == 1, [item.what for item in found.rejections]
    return rows[0]


def test_ids_are_unique_readable_and_records_are_valid(enumerated: Enumerate) -> None:
    found = enumerated()
    ids = [item.id for item in found.candidates]
    assert len(set(ids)) == len(ids) > 100
    assert "classify/small/cpu/int8-static/b1/t6/r2" in ids
    assert "classify/large/gpu/fp16/b4/t0/r3/low" in ids
    for item in found.candidates:
        assert Candidate.model_validate(item.model_dump()) == item


def test_precisions_follow_the_device(enumerated: Enumerate) -> None:
    found = enumerated()
    labels = {
        device: sorted({f"{c.precision}-{c.quantization}" for c in ways(found, device=device, model="small")})
        for device in ("cpu", "gpu", "hailo", "amx")
    }
    assert labels == {
        "cpu": ["fp32-none", "int8-dynamic", "int8-static"],
        "gpu": ["fp16-none", "fp32-none", "int8-dynamic", "int8-static"],
        "hailo": ["int8-static"],
        "amx": ["bf16-none", "fp32-none", "int8-dynamic", "int8-static"],
    }
    assert "no fp16 or bf16 peak above" in row(found, "fp16 on cpu").reason
    assert "int8 only" in row(found, "fp32 on hailo").clause
    assert row(found, "int8-dynamic on hailo").clause == "static ranges only"


def test_static_quantisation_without_data_says_what_to_set(enumerated: Enumerate) -> None:
    found = enumerated(data=Data())
    assert not ways(found, quantization="static")
    assert row(found, "small int8-static").resolvable == "set data.calibrate"
    assert row(found, "small int8-static").by == "candidates"


def test_an_accuracy_is_promised_of_ranges_from_data_alone_but_where_makers_quantise(
    enumerated: Enumerate, profiles: dict[str, ModelProfile], intent: Intent
) -> None:
    cards = {name: profile.model_copy(update={"file_bytes": 0}) for name, profile in profiles.items()}
    floor = Requirement(metric="accuracy.top1", bound=0.7, text="accuracy.top1 >= 70 %", where=HERE)
    other = tuple(item for item in intent.require if not item.metric.startswith("accuracy."))
    found = enumerated(profiles=cards, data=Data(), require=(*other, floor))
    assert {item.device for item in ways(found, quantization="static")} == {"hailo"}
    assert row(found, "int8-static on gpu").resolvable == "set data.calibrate"
    assert ways(enumerated(profiles=cards, data=Data(), require=other), quantization="static", device="gpu")
    assert ways(enumerated(profiles=cards, require=(*other, floor)), quantization="static", device="gpu")


def test_an_int8_file_keeps_its_precision(enumerated: Enumerate, profiles: dict[str, ModelProfile]) -> None:
    found = enumerated(profiles={**profiles, "small": profiles["small"].model_copy(update={"precision": "int8"})})
    assert {(c.precision, c.quantization) for c in ways(found, model="small")} == {("int8", "none")}
    assert "stored in int8" in row(found, "small in another precision").reason


def test_threads_are_powers_of_two_and_all_cores(enumerated: Enumerate) -> None:
    found = enumerated()
    assert {c.threads for c in ways(found, device="cpu")} == {1, 2, 4, 6}
    assert {c.threads for c in ways(found, device="gpu")} == {0}
    assert "1, 2, 4, 6" in row(found, "thread counts on cpu other than 1, 2, 4, 6").what


def test_replicas_fit_cores_and_devices(enumerated: Enumerate) -> None:
    found = enumerated()
    for threads, most in ((1, 11), (2, 6), (4, 2), (6, 2)):
        assert max(c.replicas for c in ways(found, device="cpu", threads=threads)) == most
    assert {c.replicas for c in ways(found, device="gpu")} == {1, 2, 3}
    # 40/s x 100 ms = 4 busy; 4 + 3 x 2 + 1 = 11 bounds what one thread each could do (12).
    assert "at most 4 requests" in row(found, "replicas above 11").reason


def test_without_a_bound_on_latency_a_load_may_take_all_there_is_room_for(enumerated: Enumerate) -> None:
    found = enumerated(require=())
    assert max(c.replicas for c in ways(found, device="cpu", threads=1)) == 12
    assert not any("replicas above" in item.what for item in found.rejections)


def test_batches_hold_what_can_come_together(enumerated: Enumerate, profiles: dict[str, ModelProfile]) -> None:
    # 40/s x 100 ms + 1 = 5 items: the largest power of two among them is 4.
    assert {c.batch for c in enumerated().candidates} == {1, 2, 4}
    assert {c.batch for c in enumerated(load=None).candidates} == {1}
    assert {c.batch for c in enumerated(load=Load(rate_per_s=1e6)).candidates} == {1, 2, 4, 8, 16, 32, 64}
    fixed = profiles["small"].model_copy(update={"batch_axis": None, "fixed_batch": 1})
    found = enumerated(profiles={**profiles, "small": fixed})
    assert {c.batch for c in ways(found, model="small")} == {1}
    assert "fixes the batch" in row(found, "small in batches").reason


def test_power_modes_are_decisions(enumerated: Enumerate) -> None:
    assert {c.power_mode for c in ways(enumerated(), device="gpu")} == {"low", "full"}
    assert {c.power_mode for c in ways(enumerated(), device="cpu")} == {None}


def test_a_model_too_large_for_the_device_is_rejected_with_figures(enumerated: Enumerate) -> None:
    found = enumerated()
    rejected = row(found, "large fp32 on tiny")
    assert rejected.clause == "memory"
    assert "39.1 MiB" in rejected.reason
    assert "1.91 MiB" in rejected.reason
    # 1 MB of weights and 0.25 MB of activations fit 2 MB, four times the activations do not leave room for eight.
    assert {c.batch for c in ways(found, device="tiny", precision="int8", quantization="static", model="small")} == {
        1,
        2,
        4,
    }


def test_executors_refuse_in_one_row_per_reason(enumerated: Enumerate, cpu_only: Mapping[str, Executor]) -> None:
    found = enumerated(executors=cpu_only)
    assert {c.device for c in found.candidates} == {"cpu", "amx"}
    assert {c.threads for c in found.candidates} == {1, 2}
    refused = row(found, "every model on gpu")
    assert (refused.by, refused.clause, refused.resolvable) == ("cpu-only", "cpu only", "use a cpu")
    assert row(found, "small fp32 on cpu with threads 4, 6").reason == "it has a pool of two"


def test_dryrun_takes_part_only_when_pinned(enumerated: Enumerate, willing: Mapping[str, Executor]) -> None:
    both = {**willing, "dryrun": willing["willing"]}
    found = enumerated(executors=both)
    assert {c.executor for c in found.candidates} == {"willing"}
    assert row(found, "executor dryrun").clause == "only when pinned"
    found = enumerated(executors=both, pin=Constraints(executor=("dryrun",)))
    assert {c.executor for c in found.candidates} == {"dryrun"}
    assert row(found, "executor willing").by == "intent"
    found = enumerated(executors=both, pin=Constraints(executor=("dryrun", "willing")))
    ids = [c.id for c in found.candidates]
    assert len(ids) == len(set(ids))
    assert "classify/small/cpu@dryrun/fp32/b1/t1/r1" in ids


@pytest.mark.parametrize(
    ("pin", "field", "values"),
    [
        (Constraints(model=("large",)), "model", {"large"}),
        (Constraints(device=("gpu", "cpu")), "device", {"gpu", "cpu"}),
        (Constraints(node=("rig",)), "nodes", {("rig",)}),
        (Constraints(precision=("int8",)), "precision", {"int8"}),
        (Constraints(quantization=("dynamic",)), "quantization", {"dynamic"}),
        (Constraints(batch=(3,)), "batch", {3}),
        (Constraints(threads=(3,), device=("cpu",)), "threads", {3}),
        (Constraints(replicas=(2, 12)), "replicas", {2, 12}),
    ],
)
def test_a_pin_leaves_only_what_it_names(
    enumerated: Enumerate, pin: Constraints, field: str, values: set[object]
) -> None:
    found = enumerated(pin=pin)
    assert {getattr(c, field) for c in found.candidates} == values


@pytest.mark.parametrize(
    ("exclude", "field", "what"),
    [
        (Constraints(model=("large",)), "model", "model large"),
        (Constraints(device=("gpu",)), "device", "device gpu"),
        (Constraints(precision=("fp32",)), "precision", "fp32"),
        (Constraints(quantization=("dynamic",)), "quantization", "int8-dynamic"),
        (Constraints(batch=(4,)), "batch", "batch 4"),
        (Constraints(threads=(4,)), "threads", "4 threads on cpu"),
        (Constraints(replicas=(2,)), "replicas", "2 replicas"),
    ],
)
def test_an_exclusion_takes_away_and_names_its_clause(
    enumerated: Enumerate, exclude: Constraints, field: str, what: str
) -> None:
    (gone,) = getattr(exclude, field)
    assert any(getattr(c, field) == gone for c in enumerated().candidates)
    found = enumerated(exclude=exclude)
    assert found.candidates
    assert not any(getattr(c, field) == gone for c in found.candidates)
    rejected = row(found, what)
    assert (rejected.by, rejected.clause) == ("intent", f"exclude.{field}: {gone}")


def test_a_pin_to_what_is_not_there_is_named(enumerated: Enumerate) -> None:
    found = enumerated(pin=Constraints(device=("h100",)))
    assert not found.candidates
    assert "it has: amx, cpu, gpu, hailo, tiny" in row(found, "device h100").reason
    found = enumerated(pin=Constraints(threads=(32,), device=("cpu",)))
    assert not found.candidates
    assert "6 cores" in row(found, "32 threads on cpu").reason


def test_no_executor_leaves_one_row(enumerated: Enumerate) -> None:
    found = enumerated(executors={})
    assert not found.candidates
    assert row(found, "every candidate").resolvable == "install an executor"


def test_a_cpu_of_unknown_cores_runs_one_thread(enumerated: Enumerate, fleet: Fleet) -> None:
    blind = fleet.model_copy(
        update={
            "types": {**fleet.types, "cpu": fleet.types["cpu"].model_copy(update={"cores": None})},
            "nodes": tuple(node.model_copy(update={"cores": None}) for node in fleet.nodes),
        }
    )
    found = enumerated(fleet=blind)
    assert {(c.threads, c.replicas) for c in ways(found, device="cpu")} == {(1, 1), (1, 2)}
    assert row(found, "more than 1 thread on cpu").clause == "cores unknown"


def test_order_of_input_never_matters(
    intent: Intent, profiles: dict[str, ModelProfile], fleet: Fleet, cpu_only: Mapping[str, Executor]
) -> None:
    turned = fleet.model_copy(update={"nodes": fleet.nodes[::-1], "types": dict(reversed(list(fleet.types.items())))})
    again = intent.model_copy(update={"models": intent.models[::-1]})
    models = dict(reversed(list(profiles.items())))
    forth = enumerate_candidates(intent, profiles, fleet, cpu_only)
    assert enumerate_candidates(again, models, turned, cpu_only) == forth


def test_rejected_families_are_rows_not_thousands(enumerated: Enumerate, cpu_only: Mapping[str, Executor]) -> None:
    found = enumerated(executors=cpu_only, load=Load(rate_per_s=1000.0))
    assert len(found.rejections) < 50
    keys = [(item.what, item.clause, item.reason, item.by) for item in found.rejections]
    assert len(keys) == len(set(keys))


A100 = DeviceType(
    name="a100",
    kind="gpu",
    memory_bytes=Fact(value=80e9, unit="B"),
    peak_ops_per_s={"fp16": Fact(value=312e12, unit="FLOP/s")},
)
PART = A100.model_copy(
    update={"name": "a100:3g", "part_of": "a100", "memory_bytes": Fact(value=40e9, unit="B"), "features": ()}
)


def cut_fleet(*whole: str) -> Fleet:
    """A machine with a card that is cut in two, and further cards that are whole."""
    slots = [DeviceSlot(type="a100:3g", ids=("0.0", "0.1"))]
    slots += [DeviceSlot(type="a100", ids=whole)] if whole else []
    node = Node(name="n", cores=8, memory_bytes=64e9, devices=tuple(slots))
    types = {"a100": A100, "a100:3g": PART}
    return Fleet(name="cut", nodes=(node,), types=types, digest="sha256:cut", origin="cut.yaml")


def test_a_device_that_is_only_there_in_parts_is_no_place_that_was_turned_down(enumerated: Enumerate) -> None:
    found = enumerated(fleet=cut_fleet())
    assert {item.device for item in found.candidates} == {"a100:3g"}
    assert max(item.replicas for item in found.candidates) == 2
    assert not [item for item in found.rejections if item.what == "device a100"]
    assert {item.device for item in enumerated(fleet=cut_fleet("1")).candidates} == {"a100", "a100:3g"}


def test_a_pin_to_a_device_that_is_only_there_in_parts_is_told(enumerated: Enumerate) -> None:
    found = enumerated(fleet=cut_fleet(), pin=Constraints(device=("a100",)))
    assert not found.candidates
    assert row(found, "device a100").reason == "every a100 of fleet cut is cut into parts: a100:3g"
