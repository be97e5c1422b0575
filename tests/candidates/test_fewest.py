"""Numbers of replicas are considered in steps, but never past the one from which on requirements are kept."""

import pytest

from aios.candidates import with_fewest
from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Priced
from aios.records.intent import Constraints, Goal, Intent, Load

WHERE = Span(file="i.yaml", line=1, column=1)
GRID = (*range(1, 17), 18, 20, 22, 24, 27, 30, 33, 37, 41, 46, 51, 57, 64, 72, 81, 91, 102)


def intent(**pinned):
    return Intent(
        name="a",
        task="t",
        models=(),
        load=Load(rate_per_s=10.0),
        goal=(Goal(direction="minimize", metric="cost"),),
        where=WHERE,
        **pinned,
    )


def candidate(replicas, suffix=""):
    return Candidate(
        id=f"a/m/gpu/fp16/b1/t0/r{replicas}{suffix}",
        intent="a",
        model="m",
        model_digest="d",
        device="gpu",
        nodes=("n",),
        executor="e",
        precision="fp16",
        replicas=replicas,
    )


def priced(item):
    demand = Demand(share=1.0, cores=0, device_memory_bytes=1.0, node_memory_bytes=1.0)
    return Priced(candidate=item, estimates={}, demand=demand, unknown={})


def numbers(asked, keeps, families=("",), grid=GRID):
    options = tuple(priced(candidate(number, family)) for family in families for number in grid)
    calls = []

    def kept(_, some):
        return [keeps(option.candidate) for option in some]

    def pricing(some):
        calls.append(len(some))
        return [priced(item) for item in some]

    found = with_fewest(asked, options, kept, pricing)
    assert [option for option in found if option in options] == list(options)
    return [option.candidate.id.removeprefix("a/m/gpu/fp16/b1/t0/") for option in found if option not in options], calls


@pytest.mark.parametrize("fewest", range(17, 103))
def test_the_fewest_that_keep_a_bound_are_there(fewest):
    added, _ = numbers(intent(), lambda item: item.replicas >= fewest)
    assert added == ([] if fewest in GRID else [f"r{fewest}"])


@pytest.mark.parametrize("most", [17, 19, 63, 100])
def test_the_most_that_keep_a_bound_are_there(most):
    added, _ = numbers(intent(), lambda item: item.replicas <= most)
    assert added == [f"r{most}"]


def test_families_are_halved_together_and_stand_in_order():
    wanted = {"/x": 95, "/y": 17, "/z": 1}
    added, calls = numbers(intent(), lambda item: item.replicas >= wanted[item.id[-2:]], tuple(wanted))
    assert added == ["r95/x", "r17/y"]
    assert len(calls) <= 4  # 91 to 102 is halved four times at most


def test_what_is_pinned_or_excluded_stays_as_it_is():
    assert numbers(intent(pin=Constraints(replicas=(16, 20))), lambda item: item.replicas >= 17) == ([], [])
    assert numbers(intent(exclude=Constraints(replicas=(17,))), lambda item: item.replicas >= 17)[0] == []


def test_few_replicas_ask_for_nothing():
    def never(*_):
        raise AssertionError

    options = tuple(priced(candidate(number)) for number in range(1, 17))
    assert with_fewest(intent(), options, never, never) == options
