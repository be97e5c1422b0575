"""Time on devices of several types: worked by hand, against a grid of all allocations, and rounds that follow it."""

from __future__ import annotations

import itertools
import random  # noqa: TID251 -- seeded: which jobs are made

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.solve.shares import Job, share_out, turns

EXACT = {"rel": 1e-6, "abs": 1e-6}


def gain_of(job: Job, parts: tuple[float, ...]) -> float:
    return sum(gain * part for gain, part in zip(job.gains, parts, strict=True)) / job.weight


def broken(jobs: list[Job], devices: list[int], parts: tuple[tuple[float, ...], ...]) -> bool:
    """Say whether a job runs more than all the time, or a type more than it has."""
    busy = [
        sum(j.devices * j.number * own[kind] for j, own in zip(jobs, parts, strict=True))
        for kind in range(len(devices))
    ]
    over = any(taken > there + 1e-6 for taken, there in zip(busy, devices, strict=True))
    over |= any(own[k] and j.devices > devices[k] for j, own in zip(jobs, parts, strict=True) for k in range(len(own)))
    return over or any(sum(own) > 1 + 1e-6 or min(own) < 0 for own in parts)


def test_who_gains_most_from_the_fast_device_has_it():
    """The example of the paper's section 3: everybody on what it is relatively best at."""
    jobs = [Job((1.0, 0.25)), Job((1.0, 0.5)), Job((1.0, 0.9))]
    found = share_out(jobs, [1, 1], "total")
    assert found is not None
    assert found.value == pytest.approx(1.9)
    assert found.bound == pytest.approx(found.value)
    assert found.parts[2] == pytest.approx((0.0, 1.0))


def test_the_least_gain_is_as_large_as_can_be_and_then_the_total():
    """Two jobs, one fast device and one slow: x on the fast one gives x + (1 - x) / 2 and (1 - x) + x / 4, equal where
    x = 2/5; each then has 0.7, and no other division gives both more."""
    found = share_out([Job((1.0, 0.5)), Job((1.0, 0.25))], [1, 1], "max-min")
    assert found is not None
    assert found.value == pytest.approx(0.7)
    assert found.bound == pytest.approx(0.7)
    alone = share_out([Job((0.1, 0.0)), Job((1.0, 0.5)), Job((0.2, 0.0))], [2, 1], "max-min")
    assert alone is not None
    assert alone.value == pytest.approx(0.1)
    assert gain_of(Job((1.0, 0.5)), alone.parts[1]) == pytest.approx(0.75)


def test_weights_numbers_and_sizes_count():
    twice = share_out([Job((1.0,), weight=2.0), Job((1.0,))], [1], "max-min")
    assert twice is not None
    assert twice.parts == (pytest.approx((2 / 3,)), pytest.approx((1 / 3,)))
    many, single = share_out([Job((1.0,), number=4)], [1], "max-min"), share_out([Job((1.0,))] * 4, [1], "max-min")
    assert many is not None
    assert single is not None
    assert many.parts[0] == pytest.approx(single.parts[0])
    wide = share_out([Job((1.0, 1.0), devices=4)], [3, 4], "total")
    assert wide is not None
    assert wide.parts[0] == pytest.approx((0.0, 1.0))


def test_what_must_always_run_does_or_nothing_is_found():
    jobs = [Job((0.2,), always=True), Job((1.0,))]
    found = share_out(jobs, [1], "total")
    assert found is not None
    assert found.parts[0] == pytest.approx((1.0,))
    assert found.value == pytest.approx(0.2)
    assert share_out([Job((1.0,), always=True)] * 2, [1], "total") is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), aim=st.sampled_from(["total", "max-min"]))
def test_no_allocation_on_a_grid_is_better(seed, aim):
    draw = random.Random(seed)
    jobs = [Job((draw.randint(0, 8) / 8, draw.randint(1, 8) / 8), draw.randint(1, 2)) for _ in range(3)]
    devices = [draw.randint(0, 2), draw.randint(1, 2)]
    found = share_out(jobs, devices, aim)
    assert found is not None
    assert not broken(jobs, devices, found.parts)
    gains = [gain_of(job, own) for job, own in zip(jobs, found.parts, strict=True)]
    assert (sum(gains) if aim == "total" else min(gains)) == pytest.approx(found.value, **EXACT)
    assert found.value <= found.bound <= found.value + 1e-6
    grid = [(a / 4, b / 4) for a in range(5) for b in range(5 - a)]
    for parts in itertools.product(grid, repeat=3):
        if not broken(jobs, devices, parts):
            own = [gain_of(job, one) for job, one in zip(jobs, parts, strict=True)]
            assert (sum(own) if aim == "total" else min(own)) <= found.bound + 1e-9


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_rounds_come_to_the_parts(seed):
    """After many rounds each job of one device has run about as long on each type as it was to."""
    draw = random.Random(seed)
    jobs = [Job((draw.randint(1, 8) / 8, draw.randint(1, 8) / 8)) for _ in range(5)]
    devices, rounds = [2, 1], 400
    found = share_out(jobs, devices, "max-min")
    assert found is not None
    had = [[0, 0] for _ in jobs]
    for _ in range(rounds):
        chosen = turns(found.parts, [job.devices for job in jobs], had, devices)
        assert all(chosen.count(kind) <= there for kind, there in enumerate(devices))
        for job, kind in enumerate(chosen):
            if kind is not None:
                had[job][kind] += 1
    total = sum(gain_of(job, tuple(n / rounds for n in own)) for job, own in zip(jobs, had, strict=True))
    wanted = sum(gain_of(job, own) for job, own in zip(jobs, found.parts, strict=True))
    assert total >= 0.95 * wanted


@pytest.mark.parametrize(
    "job", [Job((float("nan"),)), Job((-1.0,)), Job((1.0, 1.0)), Job((1.0,), weight=0.0), Job((1.0,), devices=0)]
)
def test_numbers_that_are_none_are_refused(job):
    with pytest.raises(ValueError, match=r"gain|weight"):
        share_out([job], [1], "total")
