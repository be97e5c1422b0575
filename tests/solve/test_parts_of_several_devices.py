"""A part may take several whole devices of one machine, and a replica several parts."""

from aios.check import audit
from aios.solve import Limits, choose


def test_blocks_of_a_machine_are_next_to_each_other_and_do_not_overlap(make):
    option = make.option("a/tp4", {"power": 1.0}, device="gpu", nodes=("n",), replicas=2, devices=4, share=1.0, cores=3)
    fleet = make.fleet(make.node("n", {"gpu": 9}, cores=6))
    found = choose([make.intent("a")], {"a": [option]}, fleet, Limits())
    assert [(part.devices, part.replicas) for part in found.placement["a"]] == [
        (("0", "1", "2", "3"), 1),
        (("4", "5", "6", "7"), 1),
    ]
    ledger = audit([make.intent("a")], found, fleet)
    assert ledger.holds
    cores = next(row for row in ledger.rows if row.clause.id == "capacity/n/cores")
    assert cores.value == 6  # three for each part, and not for each of its devices


def test_what_does_not_fit_says_how_many_devices_it_wants(make):
    option = make.option("a/tp4", {"power": 1.0}, device="gpu", nodes=("n",), replicas=3, devices=4, share=1.0)
    fleet = make.fleet(make.node("n", {"gpu": 8}))
    conflict = choose([make.intent("a")], {"a": [option]}, fleet, Limits()).conflict
    assert conflict is not None
    assert [relaxation.to for relaxation in conflict.relaxations] == ["12 gpu instead of 8"]


def test_a_replica_over_many_machines_of_a_large_fleet(make):
    option = make.option("a/big", {"power": 1.0}, device="gpu", nodes=("n",), machines=1000, devices=8, share=1.0)
    other = make.option("b/small", {"power": 1.0}, device="gpu", nodes=("n",), replicas=3, devices=2, share=1.0)
    fleet = make.fleet(make.node("n", {"gpu": 8}, count=1001))
    intents = [make.intent("a"), make.intent("b")]
    found = choose(intents, {"a": [option], "b": [other]}, fleet, Limits())
    assert sum(part.replicas for part in found.placement["a"]) == 1000
    assert sum(part.replicas for part in found.placement["b"]) == 3
    assert audit(intents, found, fleet).holds


def test_devices_in_use_are_passed_by(make):
    from aios.records.fleet import Used

    option = make.option("a/tp2", {"power": 1.0}, device="gpu", nodes=("n",), devices=2, share=1.0)
    fleet = make.fleet(make.node("n", {"gpu": 4}, used=Used(devices={"0": 0.5, "2": 0.1})))
    found = choose([make.intent("a")], {"a": [option]}, fleet, Limits())
    assert found.placement["a"][0].devices == ("1", "3")


def test_a_placement_on_too_few_devices_or_twice_on_one_is_broken(make):
    option = make.option("a/tp2", {"power": 1.0}, device="gpu", nodes=("n",), devices=2, share=1.0)
    fleet = make.fleet(make.node("n", {"gpu": 4}))
    node = fleet.nodes[0]
    for devices, holds in ((("0", "1"), True), (("0",), False), (("0", "0"), False), (("0", "9"), False)):
        selection = make.selection({"a": option}, {"a": (option, [(node, "n", devices)], (1,))})
        rows = {row.clause.id: row.holds for row in audit([make.intent("a")], selection, fleet).rows}
        assert rows[f"a/on/n/{','.join(devices)}"] is holds
