"""Pipelines on the command line: plans, what nothing fits, what does not take them."""

from __future__ import annotations

import json

import pytest

FLEET = """apiVersion: aios/v1
kind: Fleet
metadata: {name: counter}
spec:
  nodes:
    - {name: front, cpu: 2, memory: 4 GiB, devices: [{type: small-cpu}]}
    - {name: back, cpu: 4, memory: 8 GiB, devices: [{type: large-cpu}]}
  links: [{between: [front, back], bandwidth: 12.5 MB/s, latency: 500 us}]
  devices:
    - {name: small-cpu, kind: cpu, cores: 2, peak: {fp32: 100 GFLOP/s}, memory: 4 GiB,
       bandwidth: 20 GB/s, tdp: 10 W, price: 0.1 USD/h}
    - {name: large-cpu, kind: cpu, cores: 4, peak: {fp32: 400 GFLOP/s}, memory: 8 GiB,
       bandwidth: 40 GB/s, tdp: 45 W, price: 0.2 USD/h}
"""
INTENT = """apiVersion: aios/v1
kind: Intent
metadata: {name: mail}
spec:
  task: postcodes
  pipeline:
    - {name: find, model: {card: resnet50}, produces: 40 KiB, pin: {node: front}}
    - {name: read, model: {card: resnet18}, per: 3, produces: 1 KiB, pin: {node: back}}
  load: {rate: 2/s}
  require: {latency: {p99: BOUND}}
"""


@pytest.fixture
def written(aios):
    (aios.place / "fleet.yaml").write_text(FLEET)

    def write(bound="5 s", text=INTENT):
        (aios.place / "mail.yaml").write_text(text.replace("BOUND", bound))
        return ("mail.yaml", "--fleet", "fleet.yaml")

    return write


def test_a_plan_says_what_the_whole_comes_to(aios, written):
    plan = aios("plan", *written(), "--json").json
    assert plan["status"] == "optimal"
    stages = {item["intent"]: item for item in plan["decisions"]}
    assert sorted(stages) == ["mail/find", "mail/read"]
    (whole,) = plan["pipelines"]
    assert (whole["intent"], whole["stages"]) == ("mail", ["mail/find", "mail/read"])
    (edge,) = whole["edges"]
    assert edge["bytes"] == 40 * 1024
    assert edge["seconds"] == pytest.approx(3 * 500e-6 + 40 * 1024 / 12.5e6)
    for end in ("value", "high"):
        own = [stages[name]["estimates"]["latency.p99"][end] for name in ("mail/find", "mail/read")]
        assert whole["estimates"]["latency.p99"][end] == pytest.approx(own[0] + 3 * own[1] + edge["seconds"])
    (action, _) = plan["actions"]
    assert (action["address"], action["after"]["next"]) == ("mail/find", ["mail/read"])
    assert action["after"]["rate_per_s"] == 2
    claim = next(item for item in plan["claims"] if item["address"] == "mail")
    assert claim["clause"] == "latency.p99 <= 5 s"


def test_in_words(aios, written):
    out = aios("plan", *written()).out
    assert "hand-over mail/find -> mail/read: 40 KiB in 4.78 ms (front -> back, the slowest way)" in out
    assert "throughput >= 6/s (implied by load)" in out


def test_what_cannot_hold_is_told_with_what_would_and_that_does(aios, written):
    ran = aios("plan", *written("6 ms"), "--json")
    assert ran.code == 3
    conflict = ran.json["conflict"]
    assert [item["text"] for item in conflict["clauses"]] == ["latency.p99 <= 6 ms, all of find -> read"]
    (relaxed,) = conflict["relaxations"]
    assert aios("plan", *written(relaxed["to"])).code == 0
    assert aios("plan", *written(f"{relaxed['value'] * 0.99} s")).code == 3


def test_an_unknown_hand_over_is_named(aios, written):
    ran = aios("plan", *written(text=INTENT.replace("produces: 40 KiB, ", "")))
    assert ran.code == 3
    assert (
        "mail/find and mail/read stand on one machine, as nobody says what find `produces`  mail.yaml:7:14" in ran.out
    )


@pytest.mark.parametrize("words", [("pareto", "--over", "power,latency.p99"), ("size", "--from", "fleet.yaml")])
def test_what_does_not_take_pipelines_says_so(aios, written, words):
    given = written()
    command, *rest = words
    ran = aios(command, given[0], *rest, *(given[1:] if command == "pareto" else ()))
    assert ran.code == 1
    assert f"`aios {command}` does not take pipelines, and `mail` is one" in ran.err


def test_dryrun_writes_each_stage_down(aios, written):
    given = written()
    assert aios("apply", *given, "--yes").code == 0
    status = json.loads(aios("status", "--json").out)
    assert [item["resource"]["address"] for item in status["resources"]] == ["mail/find", "mail/read"]
    again = aios("plan", *given, "--json").json
    assert {item["action"] for item in again["actions"]} == {"keep"}
    assert aios("destroy", "--yes").code == 0
