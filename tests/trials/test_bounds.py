"""Bounds of tests: what may be written, and the end of an interval that they are compared with."""

import pytest

from aios.records.document import parse
from aios.records.errors import InputError
from aios.trials import compile_tests
from aios.trials.bounds import end_of

HEAD = "apiVersion: aios/v1\nkind: Test\nmetadata: {name: t}\nspec:\n  cases:\n"


def expected(text):
    (case,) = compile_tests(parse(f"{HEAD}    - {{name: c, expect: {text}}}\n".encode(), "t.test.yaml")).cases
    return case.expected


@pytest.mark.parametrize(
    ("text", "name", "relation", "value"),
    [
        ("power < 40 W", "power", "<", 40.0),
        ("latency.p99<=12.4 ms", "latency.p99", "<=", 0.0124),
        ("accuracy.top1 >= 97 %", "accuracy.top1", ">=", 0.97),
        ("throughput > 20/s", "throughput", ">", 20.0),
        ("moves <= 3", "moves", "<=", 3.0),
        ("replicas == 2", "replicas", "==", 2.0),
    ],
)
def test_a_bound_is_read_in_the_unit_of_its_metric(text, name, relation, value):
    (bound,) = expected(f"{{total: '{text}'}}").total
    assert (bound.name, bound.relation, bound.value) == (name, relation, value)


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("total: power < 40", "40"),
        ("total: power < 40 ms", "ms"),
        ("total: powr < 40 W", "did you mean `power`"),
        ("total: power 40 W", "is no bound"),
        ("each: {bounds: moves < 3}", "unknown metric `moves`"),
        ("each: {replicas: many}", "no bound on a number"),
        ("each: {replicas: true}", "no bound on a number"),
        ("each: {divice: x}", "unknown field `divice`"),
        ("status: fine", "cannot be `fine`"),
        ("", "nothing is expected"),
        ("status: infeasible, total: power < 1 W", "none is expected"),
        ("status: feasible, conflict: power", "must be feasible"),
    ],
)
def test_a_mistake_in_what_is_expected_is_told_with_its_place(field, told):
    with pytest.raises(InputError) as caught:
        expected(f"{{{field}}}")
    texts = [f"{item.summary} {item.remedy}" for item in caught.value.diagnostics]
    assert any(told in text for text in texts), texts
    assert all(item.where.line == 6 for item in caught.value.diagnostics)


def test_a_bound_is_compared_with_the_end_that_speaks_against_it():
    assert [end_of(relation) for relation in ("<", "<=", ">", ">=", "==")] == ["high", "high", "low", "low", "value"]


def test_two_cases_of_one_name_are_told():
    two = "    - {name: c, expect: feasible}\n    - {name: c, expect: feasible}\n"
    with pytest.raises(InputError, match="two cases are called `c`"):
        compile_tests(parse((HEAD + two).encode(), "t.test.yaml"))


@pytest.mark.parametrize(
    "case",
    [
        "{name: c, plan: {moves: 1}, fleet: f.yaml, expect: {keep: r}}",
        "{name: c, plan: {moves: 1}, set: {a: 1}, expect: {keep: r}}",
        "{name: c, plan: {moves: 1}, expect: {each: {kind: npu}}}",
    ],
)
def test_a_case_that_states_its_plan_plans_nothing(case):
    with pytest.raises(InputError):
        compile_tests(parse(f"{HEAD}    - {case}\n".encode(), "t.test.yaml"))
