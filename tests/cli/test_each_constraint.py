"""Each constraint through the command line: kept where it can be, told with its place and what would do where it cannot
be, and without effect where it excludes nothing."""

import json
from typing import NamedTuple

import pytest

from aios.cli.app import run

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: lab}
spec:
  regions: {north: {jurisdiction: EU, carbon: 20 gCO2/kWh}, south: {jurisdiction: US, carbon: 400 gCO2/kWh}}
  #
  nodes:
    - {name: a, count: 2, cpu: 8, memory: 32 GiB, region: north, labels: {rack: r1}, devices: [{type: nvidia-t4}], price: 1 USD/h}
    - {name: b, count: 2, cpu: 8, memory: 32 GiB, region: south, labels: {rack: r2}, devices: [{type: nvidia-l4}], price: 2 USD/h}
"""  # noqa: E501 (a node is a line, so that lines can be told)
TAINTED = FLEET.replace("labels:", "taints: ['ml:NoSchedule'], labels:")
SINGLE = FLEET.replace("count: 2", "count: 1")
CUT = FLEET.replace("{type: nvidia-t4}", "{type: nvidia-a100-sxm4-80gb, partitions: [3g.40gb, 2g.20gb, 1g.10gb]}")
VIRTUAL = FLEET.replace("{type: nvidia-t4}", "{type: huawei-ascend-310p3, partitions: [vir04, vir02]}")


def capped(text):
    return FLEET.replace("#", text)


def service(*spec, name="m", rate=200):
    lines = ["task: image-classification", "model: {card: resnet50}", f"load: {{rate: {rate}/s}}", *spec]
    return _intent(name, lines)


def demand(*spec, name="d"):
    return _intent(name, spec)


def _intent(name, lines):
    head = f"apiVersion: aios/v1\nkind: Intent\nmetadata: {{name: {name}}}\nspec:\n"
    return head + "".join(f"  {line}\n" for line in lines)


def budget(text):
    return f"---\napiVersion: aios/v1\nkind: Objective\nmetadata: {{name: o}}\nspec: {{budget: {{{text}}}}}\n"


def both(*documents):
    return "---\n".join(documents)


SHARE = "demand: {accelerator: {share: %s, types: nvidia-t4}}"
PART = 'demand: {accelerator: {types: "%s"}}'
LARGE = "demand: {cpu: %s, memory: %s GiB}"


class Case(NamedTuple):
    """holds: intents · stands: nodes (not their machines) of each · fails: intents that cannot be kept · clause, place,
    to: of the conflict, and what it would need · loose: intents under a constraint that excludes nothing, which come to
    what ``plain`` do · failing, loosened: fleets for these, where they are others"""

    holds: str
    stands: dict[str, str]
    fails: str
    clause: str
    place: str | None
    to: str | None
    loose: str
    plain: str = service()
    fleet: str = FLEET
    failing: str | None = None
    loosened: str | None = None


def where(asked, stands, missed, column, to, loose, field):
    """A field of ``where``."""
    return Case(
        service(f"where: {{{asked}}}"),
        {"m": stands},
        service(f"where: {{{missed}}}"),
        f"m/where.{field}",
        f"intent.yaml:8:{column}",
        to,
        service(f"where: {{{loose}}}"),
    )


TWO = service(name="e")
CASES = {
    "label": where(
        "labels: {rack: r2}", "b", "labels: {rack: r9}", 26, "r1 or r2", "labels: {rack: [r1, r2]}", "labels.rack"
    ),
    "region": where("regions: south", "b", "regions: west", 20, "north or south", "regions: [north, south]", "regions"),
    "residency": where("residency: US", "b", "residency: CH", 22, "EU or US", "residency: [EU, US]", "residency"),
    "vendor": where("vendors: NVIDIA", "a", "vendors: AMD", 20, "NVIDIA", "vendors: [NVIDIA, AMD]", "vendors"),
    "taint": Case(
        service("where: {tolerate: ml}"),
        {"m": "a"},
        service("where: {tolerate: gpu}"),
        "m/where.tolerate",
        "intent.yaml:8:21",
        "tolerate ml:NoSchedule",
        service("where: {tolerate: [ml, gpu]}"),
        service("where: {tolerate: ml}"),
        fleet=TAINTED,
    ),
    "pinned node": Case(
        service("pin: {node: b}"),
        {"m": "b"},
        service("pin: {node: c}"),
        "m/pin.node",
        "intent.yaml:8:15",
        "a or b",
        service("pin: {node: [a, b]}"),
    ),
    "pinned device beside a region": Case(
        service("pin: {device: nvidia-l4}"),
        {"m": "b"},
        service("where: {regions: north}", "pin: {device: nvidia-l4}"),
        "m/pin.device",
        "intent.yaml:9:17",
        "nvidia-t4",
        service("pin: {device: [nvidia-t4, nvidia-l4]}"),
    ),
    "excluded device": Case(
        service("exclude: {device: nvidia-t4}"),
        {"m": "b"},
        service("exclude: {device: [nvidia-t4, nvidia-l4]}"),
        "m/exclude.device",
        "intent.yaml:8:22",
        "leave out one of nvidia-l4 or nvidia-t4",
        service("exclude: {precision: fp64}"),
    ),
    "spread over racks": Case(
        service("spread: {over: rack, max: 1}"),
        {"m": "a"},
        service("spread: {over: rack, max: 1}", "pin: {device: nvidia-t4}", rate=1000),
        "m/spread/rack",
        "intent.yaml:8:29",
        "2 instead of 1",
        service("spread: {over: rack, max: 2}", "pin: {device: nvidia-t4}", rate=1000),
        service("pin: {device: nvidia-t4}", rate=1000),
    ),
    "survive a node": Case(
        service("survive: 1", "pin: {device: nvidia-t4}"),
        {"m": "a"},
        service("survive: 1", "pin: {device: nvidia-t4}", rate=1000),
        "m/survive",
        "intent.yaml:8:12",
        "0 instead of 1",
        service("survive: 1", "pin: {replicas: 2}"),
        service("pin: {replicas: 2}", "spread: {over: node, max: 1}"),
    ),
    "survive a rack": Case(
        service("survive: {losses: 1, of: node}", "pin: {device: nvidia-t4}"),
        {"m": "a"},
        service("survive: {losses: 1, of: rack}", "pin: {device: nvidia-t4}"),
        "m/survive",
        "intent.yaml:8:21",
        "0 instead of 1",
        service("survive: {losses: 1, of: node}", "pin: {replicas: 2}"),
        service("pin: {replicas: 2}", "spread: {over: node, max: 1}"),
    ),
    "together": Case(
        both(service("together: {with: e, by: rack}", "pin: {device: nvidia-l4}"), TWO),
        {"m": "b", "e": "b"},
        both(service("together: {with: e, by: rack}", "pin: {device: nvidia-l4}"), service("pin: {node: a}", name="e")),
        "m/together/e/rack",
        "intent.yaml:8:20",
        "leave it out: it stands alone on 1 x rack then",
        both(service("together: {with: e, by: rack}"), TWO),
        both(service(), TWO),
    ),
    "apart": Case(
        both(service("apart: {from: e, by: rack}", "pin: {device: nvidia-t4}"), TWO),
        {"m": "a", "e": "b"},
        both(service("apart: {from: e, by: rack}", "pin: {node: b}"), service("pin: {node: b}", name="e")),
        "m/apart/e/rack",
        "intent.yaml:8:17",
        "leave it out: they share 1 x rack then",
        both(service("apart: {from: e, by: node}"), TWO),
        both(service(), TWO),
    ),
    "power cap of a node": Case(
        service(),
        {"m": "a"},
        service(),
        "capacity/a/power",
        "fleet.yaml:8:7",
        "27.1 W instead of 20 W",
        service(),
        fleet=FLEET.replace("count: 2,", "count: 2, power_cap: 35 W,"),
        failing=FLEET.replace("count: 2,", "count: 2, power_cap: 20 W,"),
        loosened=FLEET.replace("count: 2,", "count: 2, power_cap: 900 W,"),
    ),
    "power cap of a rack": Case(
        both(service(), TWO),
        {"m": "a", "e": "b"},
        service(),
        "capacity/power/rack/r1",
        "fleet.yaml:6:16",
        "33 W instead of 20 W",
        service(),
        fleet=capped("power_caps: [{by: rack, cap: 40 W}]"),
        failing=capped("power_caps: [{by: rack, cap: 20 W}]"),
        loosened=capped("power_caps: [{by: rack, cap: 900 W}]"),
    ),
    "power cap of the fleet": Case(
        service(),
        {"m": "a"},
        service(),
        "capacity/power/fleet",
        "fleet.yaml:6:14",
        "33 W instead of 20 W",
        service(),
        fleet=capped("power_cap: 35 W"),
        failing=capped("power_cap: 20 W"),
        loosened=capped("power_cap: 900 W"),
    ),
    "budget of cost": Case(
        service("pin: {node: [a, b]}") + budget("cost: 1 USD/h"),
        {"m": "a"},
        service() + budget("cost: 0.5 USD/h"),
        "budget/cost",
        "intent.yaml:12:23",
        "1 USD/h",
        service() + budget("cost: 50 USD/h"),
    ),
    "budget of carbon": Case(
        service() + budget("carbon: 1 gCO2/h"),
        {"m": "a"},
        service("pin: {node: b}") + budget("carbon: 1 gCO2/h"),
        "budget/carbon",
        "intent.yaml:13:25",
        "13.7 gCO2/h",
        service() + budget("carbon: 50 gCO2/h"),
    ),
    "shares of one card": Case(
        demand(SHARE % 0.6, "count: 2"),
        {"d": "a"},
        demand(SHARE % 0.6, "count: 2"),
        "d/stands",
        "intent.yaml:3:18",
        "1 copy instead of 2",
        demand(SHARE % 0.4, "count: 2"),
        demand(SHARE % 0.5, "count: 2"),
        failing=SINGLE,
    ),
    "cores": Case(
        demand(LARGE % (8, 1), "count: 4"),
        {"d": "a b"},
        demand(LARGE % (8, 1), "count: 5"),
        "d/stands",
        "intent.yaml:3:18",
        "4 copies instead of 5",
        demand(LARGE % (2, 1), "count: 4"),
        demand(LARGE % (1, 1), "count: 4"),
    ),
    "memory": Case(
        demand(LARGE % (1, 20), "count: 4"),
        {"d": "a b"},
        demand(LARGE % (1, 20), "count: 5"),
        "d/stands",
        "intent.yaml:3:18",
        "4 copies instead of 5",
        demand(LARGE % (1, 2), "count: 4"),
        demand(LARGE % (1, 1), "count: 4"),
    ),
    "MIG": Case(
        demand(PART % "nvidia-a100-sxm4-80gb:3g.40gb", "count: 2"),
        {"d": "a"},
        demand(PART % "nvidia-a100-sxm4-80gb:3g.40gb", "count: 3"),
        "d/stands",
        "intent.yaml:3:18",
        "2 copies instead of 3",
        demand(PART % "nvidia-a100-sxm4-80gb:2g.20gb"),
        demand('demand: {accelerator: {types: ["nvidia-a100-sxm4-80gb:2g.20gb"]}}'),
        fleet=CUT,
    ),
    "vNPU": Case(
        demand(PART % "huawei-ascend-310p3:vir04", "count: 2"),
        {"d": "a"},
        demand(PART % "huawei-ascend-310p3:vir04", "count: 3"),
        "d/stands",
        "intent.yaml:3:18",
        "2 copies instead of 3",
        demand(PART % "huawei-ascend-310p3:vir02"),
        demand('demand: {accelerator: {types: ["huawei-ascend-310p3:vir02"]}}'),
        fleet=VIRTUAL,
    ),
}


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    """Runs ``aios plan`` in this process: sixty of them would otherwise start sixty times."""
    monkeypatch.chdir(tmp_path)

    def planned(fleet, intents):
        (tmp_path / "fleet.yaml").write_text(fleet)
        (tmp_path / "intent.yaml").write_text(intents)
        code = run(["plan", "intent.yaml", "--fleet", "fleet.yaml", "--json"])
        return code, json.loads(capsys.readouterr().out)

    return planned


def stands(document):
    return {
        row["intent"]: " ".join(sorted({place["node"].partition("-")[0] for place in row["placement"]}))
        for row in document["decisions"]
    }


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_kept_where_it_can_be(plan, case):
    code, found = plan(case.fleet, case.holds)
    assert code == 0
    assert stands(found) == case.stands


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_where_it_cannot_be_its_place_and_what_would_do_are_told(plan, case):
    code, found = plan(case.failing or case.fleet, case.fails)
    assert code == 3
    clauses = {row["id"]: row["where"] for row in found["conflict"]["clauses"]}
    assert clauses.get(case.clause) == case.place, clauses
    assert (case.clause, case.to) in [(row["clause"], row["to"]) for row in found["conflict"]["relaxations"]]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_where_it_excludes_nothing_the_plan_is_the_same(plan, case):
    loose, plain = plan(case.loosened or case.fleet, case.loose), plan(case.fleet, case.plain)
    assert (loose[0], plain[0]) == (0, 0)
    assert stands(loose[1]) == stands(plain[1])
