"""Batches that would not form are left out once capacity is known."""

import pytest

from aios.candidates import worthwhile
from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.intent import Constraints, Goal, Intent, Load, Requirement

WHERE = Span(file="i.yaml", line=1, column=1)


def intent(rate, batch=()):
    return Intent(
        name="a",
        task="t",
        models=(),
        load=Load(rate_per_s=rate) if rate else None,
        goal=(Goal(direction="minimize", metric="power"),),
        pin=Constraints(batch=batch),
        where=WHERE,
    )


def option(batch, low, threads=1):
    candidate = Candidate(
        id=f"b{batch}t{threads}",
        intent="a",
        model="m",
        model_digest="d",
        device="cpu",
        nodes=("n",),
        executor="e",
        precision="int8",
        quantization="static",
        batch=batch,
        threads=threads,
    )
    throughput = Estimate(
        metric="throughput", value=2 * low, low=low, high=3 * low, unit="1/s", source="measured", basis="hand"
    )
    demand = Demand(share=0.5, cores=1, device_memory_bytes=0, node_memory_bytes=1)
    return Priced(candidate=candidate, estimates={"throughput": throughput}, demand=demand)


@pytest.mark.parametrize(("rate", "kept"), [(49, ["b1t1"]), (51, ["b1t1", "b2t1"]), (None, ["b1t1", "b2t1"])])
def test_half_of_the_pessimistic_capacity_decides(rate, kept):
    found = worthwhile(intent(rate), (option(1, 100), option(2, 180)))
    assert [item.candidate.id for item in found.options] == kept
    assert bool(found.rejections) == (len(kept) == 1)


def test_each_setting_is_judged_by_its_own_single_request():
    options = (option(1, 100), option(2, 180), option(1, 1000, threads=2), option(2, 1800, threads=2))
    found = worthwhile(intent(200), options)
    assert [item.candidate.id for item in found.options] == ["b1t1", "b2t1", "b1t2"]
    (row,) = found.rejections
    assert row.what == "m int8-static on cpu in batches"
    assert "at least 1000/s" in row.reason


def test_pinned_batches_stay():
    options = (option(1, 100), option(2, 180))
    assert worthwhile(intent(1, batch=(2,)), options).options == options


@pytest.mark.parametrize(("capacity", "kept"), [((9, 19), ["b4t1", "b8t1"]), ((11, 19), ["b4t1"]), ((3, 9), ["b4t1"])])
@pytest.mark.parametrize("implied", [True, False])
def test_sequences_that_the_load_takes_are_kept_though_no_request_sees_them(capacity, kept, implied):
    """At 10/s: places that change no time are left out, but not those without which the load is not sustained."""
    load = Load(rate_per_s=10, prompt_tokens=64, output_tokens=16)
    by = "load" if implied else None
    bound = Requirement(metric="throughput", bound=10, text="throughput >= 10/s", where=WHERE, implied_by=by)
    chat = intent(10).model_copy(update={"load": load, "require": (bound,)})
    time = Estimate(metric="latency.mean", value=1, low=1, high=1, unit="s", source="measured", basis="hand")
    options = tuple(
        item.model_copy(update={"estimates": {**item.estimates, "latency.mean": time}})
        for item in map(option, (4, 8), capacity)
    )
    found = [item.candidate.id for item in worthwhile(chat, options).options]
    assert found == (kept if implied else ["b4t1", "b8t1"])
