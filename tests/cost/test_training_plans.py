"""Searching for ways to spread training: complete, in order, within memory, quick, and honest when none fits."""

import time
from pathlib import Path

import pytest
from training_cases import decoder

from aios import catalogue
from aios.cost.training import Job, TrainingPlan, plans
from aios.cost.training.plans import USABLE
from aios.fleet.catalogue import load_catalogue
from aios.records.errors import InputError
from aios.records.fleet import DeviceType

DEVICES = load_catalogue(Path(catalogue.root()) / "hardware")
A100 = DEVICES["nvidia-a100-sxm4-80gb"]


def test_plans_divide_evenly_fit_and_come_quickest_first() -> None:
    found = plans(decoder(32, 4096, 32), A100, 64, Job(sequence=4096, global_batch=256), most=500)
    assert found.plans
    assert [plan.step_s for plan in found.plans] == sorted(plan.step_s for plan in found.plans)
    for plan in found.plans:
        assert plan.tensor * plan.pipeline * plan.context * plan.data == 64
        assert 32 % plan.tensor == 0
        assert 32 % (plan.pipeline * plan.chunks) == 0
        assert 256 % (plan.data * plan.micro_batch) == 0
        assert plan.memory_bytes <= USABLE * found.capacity_bytes
        assert sum(plan.parts_s.values()) == pytest.approx(plan.step_s)
        held = plan.held_bytes
        off = 0.1 * (held["activations"] + held["logits"] + held["gathered"]) + held["margin"]
        assert sum(held.values()) + off == pytest.approx(plan.memory_bytes)


def test_a_small_search_is_complete() -> None:
    """2 devices, 2 heads, 2 blocks, 2 sequences. Every way that divides evenly is listed here by hand."""
    found = plans(decoder(2, 256, 2), A100, 2, Job(sequence=4, global_batch=2), most=1000)
    seen = {(plan.tensor, plan.pipeline, plan.context, plan.data, plan.micro_batch) for plan in found.plans}
    assert seen == {
        (2, 1, 1, 1, 1),
        (2, 1, 1, 1, 2),
        (1, 2, 1, 1, 1),
        (1, 2, 1, 1, 2),
        (1, 1, 2, 1, 1),
        (1, 1, 2, 1, 2),
        (1, 1, 1, 2, 1),
    }
    assert len(found.plans) == found.considered


def test_experts_are_spread_where_they_do_not_fit_whole() -> None:
    found = plans(decoder(32, 4096, 32, experts=16), A100, 64, Job(sequence=4096, global_batch=512))
    assert found.plans
    best = found.plans[0]
    assert best.expert * best.tensor * best.pipeline > 1 or best.shard == 3


def test_what_fits_nowhere_says_how_much_it_lacks() -> None:
    found = plans(decoder(128, 25600, 160), A100, 8, Job(sequence=2048, global_batch=8))
    assert found.plans == ()
    assert found.least_bytes is not None
    assert found.least_bytes > found.capacity_bytes


def test_a_batch_that_divides_over_nothing_leaves_no_way() -> None:
    found = plans(decoder(2, 256, 2), A100, 7, Job(sequence=3, global_batch=5))
    assert (found.plans, found.considered, found.least_bytes) == ((), 0, None)


@pytest.mark.parametrize(
    ("job", "devices", "said"),
    [
        (Job(sequence=16384, global_batch=8), 8, "16384 tokens are more than the 8192 positions"),
        (Job(sequence=2048, global_batch=0), 8, "global batch of 0"),
        (Job(sequence=2048, global_batch=8), 0, "devices of 0"),
        (Job(sequence=2048, global_batch=8), 10**9, "devices of 1000000000"),
    ],
)
def test_impossible_jobs_are_refused_with_the_reason(job: Job, devices: int, said: str) -> None:
    with pytest.raises(InputError) as caught:
        plans(decoder(2, 256, 2), A100, devices, job)
    assert said in str(caught.value)


def test_a_device_without_facts_is_refused() -> None:
    with pytest.raises(InputError, match="lacks its peak rate"):
        plans(decoder(2, 256, 2), DeviceType(name="bare", kind="gpu"), 8, Job(sequence=128, global_batch=8))


def test_a_model_beyond_all_devices_overflows_nothing() -> None:
    found = plans(decoder(1024, 262144, 1024), A100, 1024, Job(sequence=2048, global_batch=1024))
    assert found.plans == ()
    assert found.least_bytes is not None
    assert found.least_bytes > 1e12


def test_thousands_are_considered_per_second() -> None:
    started = time.perf_counter()
    found = plans(decoder(96, 12288, 96), A100, 1536, Job(sequence=2048, global_batch=2304))
    assert found.considered / (time.perf_counter() - started) > 2000


def test_quicker_devices_give_quicker_plans() -> None:
    best: list[TrainingPlan] = [
        plans(decoder(32, 4096, 32), DEVICES[name], 32, Job(sequence=4096, global_batch=128)).plans[0]
        for name in ("nvidia-a100-sxm4-80gb", "nvidia-h100-sxm5-80gb", "nvidia-b200-sxm-180gb")
    ]
    assert best[0].step_s > best[1].step_s > best[2].step_s
