"""Intents that state a demand: how they are written, and each mistake with its place and what to do."""

from __future__ import annotations

import pytest

from aios.intents import compile_intents
from aios.records.demanded import Accelerators, Demanded
from aios.records.document import parse
from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Constraints

HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: NAME}\nspec:\n"


def document(name: str, *lines: str) -> str:
    return HEAD.replace("NAME", name) + "".join(f"  {line}\n" for line in lines)


def compiled(*lines: str) -> Demanded:
    found = compile_intents(parse(document("x", *lines).encode(), "work.yaml"))
    assert found.intents == ()
    return found.demands[0]


def wrong(*documents: str) -> list[Diagnostic]:
    with pytest.raises(InputError) as caught:
        compile_intents(parse("---\n".join(documents).encode(), "work.yaml"))
    return list(caught.value.diagnostics)


def test_a_demand_with_everything():
    found = compiled(
        "task: nightly numbers",
        "demand:",
        "  cpu: 0.5",
        "  memory: 16 GiB",
        "  accelerator: {count: 1, share: 46 %, types: [nvidia-t4, nvidia-l4]}",
        "count: 20",
        "required: false",
        "priority: 3",
        "pin: {node: [a, b]}",
        "exclude: {device: nvidia-l4}",
    )
    assert (found.name, found.cores, found.memory_bytes) == ("x", 0.5, 2**34)
    assert found.accelerators == Accelerators(count=1, share=0.46, types=("nvidia-t4", "nvidia-l4"))
    assert (found.copies, found.required, found.priority) == (20, False, 3)
    assert found.pin == Constraints(node=("a", "b"))
    assert found.exclude == Constraints(device=("nvidia-l4",))
    assert str(found.where) == "work.yaml:3:18"


@pytest.mark.parametrize(
    ("line", "changed", "takes"),
    [
        ("demand: {cpu: 4}", {"cores": 4.0}, "4 cores"),
        ("demand: {cpu: 1, memory: 512 MiB}", {"cores": 1.0, "memory_bytes": 2.0**29}, "1 core, 512 MiB"),
        ("demand: {accelerator: {}}", {"accelerators": Accelerators()}, "1 accelerator"),
        ("demand: {accelerator: {count: 2}}", {"accelerators": Accelerators(count=2)}, "2 accelerators"),
        ("demand: {accelerator: {share: 0.5, types: t4}}", {"accelerators": Accelerators(share=0.5, types=("t4",))},
         "0.5 of 1 t4"),
        ("demand: {accelerator: {count: 8, share: 100 %}}", {"accelerators": Accelerators(count=8)},
         "8 accelerators"),
        ("demand: {cpu: 1, count: 7}", {"cores": 1.0, "copies": 7}, "1 core"),
    ],
)  # fmt: skip
def test_what_is_not_written_is_the_least(line, changed, takes):
    found = compiled(line)
    assert found == Demanded(**{"name": "x", "where": found.where} | changed)
    assert (found.copies, found.required, found.priority) == (changed.get("copies", 1), True, 0)
    assert found.takes == takes


@pytest.mark.parametrize(
    ("lines", "place", "summary", "remedy"),
    [
        (["demand: {}"], (5, 11), "this demand asks for nothing",
         "state at least one of `cpu`, `memory` and `accelerator`"),
        (["demand: {cpu: 0, memory: 0 B}"], (5, 11), "this demand asks for nothing", "state at least one"),
        (["demand: {accelerator: {count: 2, share: 0.5}}"], (5, 43), "a share of 0.5 of each of 2 devices",
         "ask for whole devices, or for one with `count: 1`"),
        (["demand: {cpu: 1, count: 3}", "count: 3"], (5, 27), "`count` is written twice", "keep one of the two"),
        (["demand: {cpu: 1}", "count: 0"], (6, 10), "`spec.count` must be at least 1, not `0`", "write at least 1"),
        (["demand: {cpu: 1}", "count: -3"], (6, 10), "`spec.count` must be at least 1, not `-3`", "write at least 1"),
        (["demand: {cpu: 1}", "count: 1000000000000"], (6, 10),
         "`spec.count` must be at most 1000000, not `1000000000000`", "write at most 1000000"),
        (["demand: {cpu: 1}", "count: 2.5"], (6, 10), "`spec.count` must be a whole number, not `2.5`",
         "write it like `20`"),
        (["demand: {cpu: 1, count: 1e400}"], (5, 27), "`spec.demand.count` must be a whole number", "digits alone"),
        (["demand: {accelerator: {count: 0}}"], (5, 33), "`spec.demand.accelerator.count` must be at least 1", "1"),
        (["demand: {accelerator: {count: 1000000000000}}"], (5, 33),
         "`spec.demand.accelerator.count` must be at most 1000000", "at most 1000000"),
        (["demand: {accelerator: {share: 0}}"], (5, 33), "`spec.demand.accelerator.share`: `0` is zero", "write"),
        (["demand: {accelerator: {share: 1.5}}"], (5, 33),
         "`spec.demand.accelerator.share`: 1.5 is not between 0 and 1 and has no unit", "write `1.5 %`"),
        (["demand: {accelerator: {share: 146 %}}"], (5, 33),
         "`spec.demand.accelerator.share`: `146 %` is more than 100 %", ""),
        (["demand: {accelerator: {share: -20 %}}"], (5, 33), "`spec.demand.accelerator.share`: `-20 %` is negative",
         "write a value"),
        (["demand: {cpu: -1}"], (5, 17), "`spec.demand.cpu`: `-1` is negative", "write a value such as `4`"),
        (["demand: {cpu: 1.0e+300}"], (5, 17), "`spec.demand.cpu`: `1e+300` is more than 1000000000", ""),
        (["demand: {cpu: .inf}"], (5, 17), "`spec.demand.cpu`: '.inf' is not a number", "write a bare number"),
        (["demand: {memory: 16}"], (5, 20), "`spec.demand.memory`: 16 has no unit",
         "write a size in bytes, such as `16 GiB`"),
        (["demand: {memory: 1e300 GiB}"], (5, 20), "`spec.demand.memory`: 1e300 is too large", "ordinary size"),
        (["demand: {cpus: 1}"], (5, 12), "unknown field `cpus` in `spec.demand`", "did you mean `cpu`?"),
        (["demand: {cpu: 1, accelerators: {count: 1}}"], (5, 20), "unknown field `accelerators` in `spec.demand`",
         "did you mean `accelerator`?"),
        (["demand: {accelerator: {type: nvidia-t4}}"], (5, 26), "unknown field `type` in `spec.demand.accelerator`",
         "did you mean `types`?"),
        (["demand: {cpu: 1}", "requird: false"], (6, 3), "unknown field `requird` in `spec`", "`required`?"),
        (["demand: {cpu: 1}", "required: maybe"], (6, 13), "`spec.required` must be true or false, not `maybe`", ""),
        (["demand: {cpu: 1}", "priority: high"], (6, 13), "`spec.priority` must be a whole number, not `high`", "2"),
        (["demand: 4 cores"], (5, 11), "`spec.demand` must be a mapping, not `4 cores`", "write it like"),
        (["demand: {cpu: 1}", "pin: {precision: int8}"], (6, 9), "unknown field `precision` in `spec.pin`",
         "known: `device`, `node`"),
        (["demand: {cpu: 1}", "pin: {node: []}"], (6, 15), "`spec.pin.node`: the list is empty", "delete the line"),
        (["demand: {cpu: 1}", "model: ./m.onnx"], (6, 3), "an intent that states its `demand` has no `model`",
         "delete `model`, or `demand` and state a model"),
        (["demand: {cpu: 1}", "load: {rate: 1/s}"], (6, 3), "an intent that states its `demand` has no `load`", "`"),
        (["demand: {cpu: 1}", "require: {power: 5 W}"], (6, 3), "an intent that states its `demand` has no `require`",
         "delete `require`"),
        (["demand: {cpu: 1}", "goal: minimize power"], (6, 3), "an intent that states its `demand` has no `goal`",
         "delete `goal`"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_its_remedy(lines, place, summary, remedy):
    (found,) = wrong(document("x", *lines))
    assert (found.where.line, found.where.column) == place
    assert found.where.file == "work.yaml"
    assert found.summary.startswith(summary)
    assert remedy in (found.remedy or "")


def test_all_mistakes_of_all_documents_are_told_at_once():
    found = wrong(
        document("a", "demand: {cpu: -1, memory: 16, accelerator: {share: 2}}", "count: 0"),
        document("a", "model: ./m.onnx", "task: image-classification", "requir: {}"),
        document("b", "demand: {accelerator: {count: 2, share: 0.5}, count: 3}", "count: 3"),
    )
    assert [item.where.line for item in found] == [5, 5, 5, 6, 10, 14, 20, 20]
    assert "two intents are called `a`" in {item.summary for item in found}


def test_names_are_those_of_intents_with_models_too():
    (found,) = wrong(document("a", "model: ./m.onnx", "task: image-classification"), document("a", "demand: {cpu: 1}"))
    assert (found.summary, found.reason) == ("two intents are called `a`", "the first stands at work.yaml:3:18")


def test_a_plan_has_a_largest_number_of_copies():
    many = [document(f"x{index}", "demand: {cpu: 1}", "count: 400000") for index in range(5)]
    (found,) = wrong(*many)
    assert found.summary == "up to this intent 1,200,000 copies are asked for; at most 1,000,000 are planned"
    assert str(found.where) == "work.yaml:20:10"
