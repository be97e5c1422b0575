"""The device share clause: replicas on a device take no more than all of it."""

from __future__ import annotations

from aios.solve import Limits, choose


def solve(make, devices, **options):
    fleet = make.fleet(make.node("n", {"gpu": devices}))
    return choose([make.intent(name) for name in options], {n: [o] for n, o in options.items()}, fleet, Limits())


def on_gpu(make, name, **demand):
    return make.option(f"{name}/1", device="gpu", nodes=("n",), **demand)


def test_three_thirds_fill_a_device(make):
    found = solve(make, 1, a=on_gpu(make, "a", share=1 / 3, replicas=3))
    assert [(p.devices, p.share, p.replicas) for p in found.placement["a"]] == [(("0",), 1 / 3, 3)]


def test_six_sixths_fill_a_device(make):
    assert solve(make, 1, a=on_gpu(make, "a", share=1 / 6, replicas=6)).status == "optimal"


def test_must_fail_and_says_how_many_devices_would_do(make):
    found = solve(make, 1, a=on_gpu(make, "a", share=0.6, replicas=3))
    assert [clause.text for clause in found.conflict.clauses] == ["node n has 1 gpu"]
    assert [(r.to, r.value) for r in found.conflict.relaxations] == [("3 gpu instead of 1", 3.0)]


def test_a_share_larger_than_one_never_fits(make):
    found = solve(make, 2, a=on_gpu(make, "a", share=1.2))
    assert [clause.id for clause in found.conflict.clauses] == ["capacity/n/gpu/share"]
    assert found.conflict.relaxations == ()
    assert "No value of" in found.conflict.notes[0]


def test_no_replica_spreads_over_two_devices(make):
    """Three times 0.6 is less than two devices, but two replicas do not fit on one."""
    assert solve(make, 2, a=on_gpu(make, "a", share=0.6, replicas=3)).status == "infeasible"


def test_indifferent_to_shares_on_other_devices(make):
    found = solve(make, 2, a=on_gpu(make, "a", share=0.9), b=on_gpu(make, "b", share=0.9))
    assert [found.placement[name][0].devices for name in "ab"] == [("0",), ("1",)]


def test_turns_the_objective_to_what_fits(make):
    fleet = make.fleet(make.node("n", {"gpu": 1}))
    options = {
        name: [
            make.option(f"{name}/half", {"power": 9}, device="gpu", nodes=("n",), share=0.5),
            make.option(f"{name}/most", {"power": power}, device="gpu", nodes=("n",), share=0.9),
        ]
        for name, power in (("a", 1), ("b", 2))
    }
    found = choose([make.intent("a"), make.intent("b")], options, fleet, Limits())
    assert [found.chosen[name].candidate.id for name in "ab"] == ["a/half", "b/half"]
    assert found.objective[0].value == 18.0
