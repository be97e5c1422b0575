"""Energy and memory of a service that nobody metered, from one that was."""

import pytest

from aios.cost.borrowing import borrowed_energy, borrowed_memory
from aios.cost.evidence import Evidence, Library
from aios.cost.interval import Interval
from aios.records.candidate import Candidate
from aios.records.measurement import Measured, Measurement, subject_of

ENGINE = "e 1"


def candidate(model="m", threads=1, precision="fp32"):
    return Candidate(
        id=f"a/{model}/{threads}",
        intent="a",
        model=model,
        model_digest=f"sha256:{model}",
        device="cpu",
        nodes=("n",),
        executor="x",
        precision=precision,
        threads=threads,
    )


def measured(kind, of, spread=0.0, **values):
    units = {"energy": "J", "capacity": "1/s", "cpu_time": "s", "time": "s", "memory": "B"}
    return Measurement(
        subject=subject_of(kind, of, engine=ENGINE),
        values={
            name: Measured(
                value=value,
                low=value * (1 - spread),
                high=value * (1 + spread),
                unit=units[name],
                n=1,
                meter="made up",
                scope="processes" if name == "energy" else None,
            )
            for name, value in values.items()
        },
        as_of="2026-01-01T00:00:00Z",
    )


def library(*items):
    return Library(Evidence(measurements={item.subject.digest: item for item in items}, engines={"x": ENGINE}))


METERED = candidate("metered")
SERVED = (
    measured("service", METERED, time=0.010, cpu_time=0.010, memory=60e6),
    measured("serving", METERED, spread=0.1, capacity=80.0, energy=0.1, memory=70e6),
)
"""Occupied for 12.5 ms a request, of which computing takes 10 ms: 0.8 of it."""


def test_of_twice_the_cpu_time_only_what_computing_drew_doubles():
    other = measured("service", candidate(), time=0.020, cpu_time=0.020)
    found = borrowed_energy(candidate(), Interval(0.02, 0.02, 0.02), library(*SERVED, other))
    assert found.value == pytest.approx(0.1 * 1.8)
    # Computing drew at least 0.6 x 0.8 of the energy and at most all of it; the meter was within a tenth.
    assert found.low == pytest.approx(0.09 * 1.48)
    assert found.high == pytest.approx(0.11 * 2.0)
    assert found.scope == "processes"
    assert found.meter == "made up, of fp32 with 1 threads, by CPU time"


def test_of_half_the_cpu_time_the_ends_keep_their_order():
    other = measured("service", candidate(), time=0.005, cpu_time=0.005)
    found = borrowed_energy(candidate(), Interval(0.005, 0.005, 0.005), library(*SERVED, other))
    assert found.value == pytest.approx(0.1 * 0.6)
    assert found.low == pytest.approx(0.09 * 0.5)
    assert found.high == pytest.approx(0.11 * 0.76)


def test_without_an_engine_measurement_the_time_of_a_call_stands_for_it_with_its_interval():
    found = borrowed_energy(candidate(threads=2), Interval(0.005, 0.01, 0.02), library(*SERVED))
    assert found.low == pytest.approx(0.09 * 0.5)
    assert found.high == pytest.approx(0.11 * 4)
    assert found.value == pytest.approx(0.1 * (1 + 0.8 * 0.5))


def test_nothing_is_borrowed_where_nothing_was_metered_with_its_engine():
    assert borrowed_energy(candidate(), Interval(0.01, 0.01, 0.01), library()) is None
    assert borrowed_energy(candidate(), Interval(0.01, 0.01, 0.01), library(SERVED[1])) is None
    assert borrowed_memory(candidate(), library(*SERVED)) is None


def test_serving_adds_as_much_memory_to_one_engine_as_to_another():
    other = measured("service", candidate(), time=0.02, memory=90e6)
    found = borrowed_memory(candidate(), library(*SERVED, other))
    assert found.value == pytest.approx(100e6)
    assert (found.low, found.high) == (pytest.approx(90e6), pytest.approx(110e6))
