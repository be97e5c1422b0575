"""Fleets that cannot be: each mistake with its place and what to do about it, exit code 1, soon, and never a traceback.

Every fleet and every description of machines here is invented.
"""

import time
from pathlib import Path

import pytest

from aios.cli.app import run
from aios.records.errors import InputError

MIB = 2**20
HEAD = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: lab}\nspec:\n"
SOON_S = 5.0


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(*command):
    """The diagnostics of a command that is refused; each says where and what to do."""
    begun = time.process_time()
    with pytest.raises(InputError) as caught:
        run([*command])
    assert time.process_time() - begun < SOON_S
    for item in caught.value.diagnostics:
        assert item.where is not None, item
        assert item.remedy, item
        assert "\n" not in item.summary
    return caught.value.diagnostics


def told(text, file="fleet.yaml"):
    """What is wrong with a fleet file: line, column, summary."""
    Path(file).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = refused("validate", "--fleet", file)
    return [(item.where.line, item.where.column, item.summary) for item in found]


@pytest.mark.parametrize(
    ("spec", "mistakes"),
    [
        pytest.param(
            "  nodes: [{name: a, memory: 64, devices: [{type: m}]}]\n"
            "  devices: [{name: m, kind: gpu, tdp: 70 GB, bandwidth: fast}]\n",
            [
                (5, 29, "`spec.nodes[0].memory`: 64 has no unit"),
                (6, 39, "`spec.devices[0].tdp`: 70 GB is a size in bytes, but a power is wanted here"),
                (6, 57, "`spec.devices[0].bandwidth`: 'fast' is not a bandwidth"),
            ],
            id="units",
        ),
        pytest.param(
            "  nodes: [{name: a, cpu: 4, memory_tiers: [{kind: dram, capacity: 64 GiB, read: 10 PB/s}]}]\n"
            "  devices: [{name: m, kind: gpu, tdp: 2 MW, memory: 3 PB, launch_overhead: 1 h}]\n"
            "  links: [{between: [a, b], bandwidth: 10 PB/s, latency: 1 min}]\n",
            [
                (5, 81, "`read` of 10 PB/s is impossible"),
                (6, 39, "`tdp` of 2 MW is impossible"),
                (6, 53, "`memory` of 3 PB is impossible"),
                (6, 76, "`launch_overhead` of 1 h is impossible"),
                (7, 25, "there is no node `b`"),
                (7, 40, "`bandwidth` of 10 PB/s is impossible"),
                (7, 58, "`latency` of 1 min is impossible"),
            ],
            id="impossible",
        ),
        pytest.param(
            "  nodes:\n"
            '    - {name: a, cpu: 4, memory: 8 GB, used: {cpu: 9, memory: 9 GB, devices: {"3": 10 %}}}\n'
            '    - {name: b, count: 3, hosts: "b[1-4]"}\n'
            "    - {name: c, devices: [{type: m, partitions: [half, half, half]}]}\n"
            "  devices:\n"
            "    - {name: m, kind: gpu, tdp: 70 W, idle: 80 W, memory: 8 GB,"
            " partitions: [{name: half, compute: 60 %, memory: 4 GB, most: 2}]}\n",
            [
                (6, 51, "9 cores are used of 4 that node `a` has"),
                (6, 62, "8.38 GiB of memory are used of 7.45 GiB that node `a` has"),
                (6, 83, "node `a` has no device `3`"),
                (7, 34, "`hosts` names 4 machines, but `count` is 3"),
                (8, 49, "m cannot be cut into `half`, `half`, `half` at once"),
                (10, 45, "`idle` (80 W) is more than `tdp` (70 W)"),
                (10, 100, "2 of `half` have more than all of the device's compute"),
            ],
            id="contradictions",
        ),
        pytest.param(
            "  nodes: [{name: a, devices: [{type: h100}, {type: nvidia-t44}, {type: frobnicator}, {type: T4}]}]\n",
            [
                (5, 38, "unknown device type `h100`"),
                (5, 52, "unknown device type `nvidia-t44`"),
                (5, 72, "unknown device type `frobnicator`"),
                (5, 93, "unknown device type `T4`"),
            ],
            id="unknown devices",
        ),
        pytest.param(
            "  nodes: [{name: a, devices: [{type: nvidia-t4}]}, {name: b}]\n"
            "  links: [{between: [a, c], bandwidth: 1 GB/s}, {between: [a, a], bandwidth: 1 GB/s},"
            " {between: [a/0, a/7], bandwidth: 1 GB/s}, {between: [b/0, a/0], bandwidth: 1 GB/s}]\n",
            [
                (6, 25, "there is no node `c`"),
                (6, 59, "a link joins two different ends, not `a` to itself"),
                (6, 103, "node `a` has no device `7`"),
                (6, 139, "`b/0` and `a/0` are devices of two nodes"),
                (6, 140, "node `b` has no device `0`"),
            ],
            id="links to nowhere",
        ),
        pytest.param(
            "  nodes: [{name: a}, {name: b}, {name: c, count: 4}]\n  links: [{between: [a, b], bandwidth: 1 GB/s}]\n",
            [(6, 10, "`a`, `c` are not connected to each other")],
            id="nodes apart",
        ),
        pytest.param(
            "  nodes: [{name: a, count: 8}]\n  topology: {kind: switch, group: 4, bandwidth: 1 GB/s}\n",
            [(6, 13, "the 2 groups of `switch` are not connected to each other")],
            id="groups apart",
        ),
        pytest.param(
            "  nodes:\n"
            "    - {name: a, devices: [{type: nvidia-a100-sxm4-80gb, count: 8}], topology: {kind: nvlink, links: 4}}\n"
            "    - {name: b, devices: [{type: nvidia-t4, count: 6}], topology: {kind: torus, shape: [2, 4]}}\n",
            [
                (
                    6,
                    101,
                    "4 links to each of 7 neighbours are more than the 12 of nvlink3 that nvidia-a100-sxm4-80gb has",
                ),
                (7, 88, "2 x 4 has 8 places, but there are 6 devices"),
            ],
            id="topologies that do not fit",
        ),
        pytest.param(
            "  nodes: [{name: a}, {name: a}, {name: b, count: 3}, {name: b-1}]\n"
            "  devices: [{name: m, kind: gpu}, {name: m, kind: npu}]\n",
            [
                (5, 29, "there are two machines called `a`"),
                (5, 61, "there are two machines called `b-1`"),
                (6, 42, "device type `m` is described twice"),
            ],
            id="duplicates",
        ),
        pytest.param("  nodes: [{name: a, cpu: 4, cpu: 8}]\n", [(5, 29, "`cpu` is written twice")], id="doubled key"),
        pytest.param(
            "  nodes: [{name: a, count: -1}, {name: b, count: 0}, {name: c, cpu: 0}, {name: d, memory: -1 GiB},"
            " {name: e, count: 1.5}, {name: f, devices: [{type: nvidia-t4, count: -2}]},"
            " {name: g, count: 10000000000}]\n",
            [
                (5, 28, "`spec.nodes[0].count` must be at least 1, not `-1`"),
                (5, 50, "`spec.nodes[1].count` must be at least 1, not `0`"),
                (5, 69, "`spec.nodes[2].cpu` must be at least 1, not `0`"),
                (5, 91, "`spec.nodes[3].memory`: `-1 GiB` is negative; a size in bytes here must be more than zero"),
                (5, 117, "`spec.nodes[4].count` must be a whole number, not `1.5`"),
                (5, 168, "`spec.nodes[5].devices[0].count` must be at least 1, not `-2`"),
                (5, 192, "`spec.nodes[6].count` must be at most 1000000, not `10000000000`"),
            ],
            id="counts",
        ),
        pytest.param(
            "  nodes: [{name: ../a}, {name: b, devices: [{type: 'nvidia-a100-sxm4-80gb:3g.40gb'}]}]\n"
            "  links: [{between: [b], bandwidth: 1 GB/s}]\n",
            [
                (5, 18, "`spec.nodes[0].name`: '../a' is no name"),
                (5, 52, "`spec.nodes[1].devices[0].type`: `nvidia-a100-sxm4-80gb:3g.40gb` is a part of a device"),
                (6, 12, "`spec.links[0].between` has 1 entry, which is too few"),
            ],
            id="names",
        ),
        pytest.param(
            "  nodes: [{name: a}]\n  devices: [{name: x, kind: gpu, from: y}, {name: y, kind: gpu, from: x},"
            " {name: z, kind: npu, from: hialo-8}]\n",
            [
                (6, 71, "`x` is described by way of itself"),
                (6, 102, "the catalogue has no device type `hialo-8`"),
            ],
            id="types in a circle",
        ),
        pytest.param("  nodes: []\n", [(5, 10, "a fleet needs at least one node")], id="no node"),
    ],
)
def test_every_mistake_is_told_at_once_with_its_place_and_a_remedy(spec, mistakes):
    assert told(HEAD + spec) == mistakes


def test_near_names_are_offered_also_what_people_call_devices():
    text = HEAD + "  nodes: [{name: a, devices: [{type: Tesla-T4}, {type: h100}, {type: npu_device}]}]\n"
    Path("fleet.yaml").write_text(text)
    tesla, h100, nonsense = refused("validate", "--fleet", "fleet.yaml")
    assert tesla.remedy.startswith("did you mean `nvidia-t4`?\nor describe it in the fleet file")
    assert h100.remedy.startswith("did you mean `nvidia-h100-")
    assert nonsense.remedy == "describe it as is said of `Tesla-T4`"


@pytest.mark.parametrize(
    ("text", "line", "summary"),
    [
        ("", 1, "fleet.yaml is empty"),
        ("- a\n", 1, "a document is a mapping of fields, but this is a list"),
        (b"\x7fELF\x00\x01\x02", 1, "the control character U+007F is not allowed"),
        (b"\xff\xfea\x00", 1, "fleet.yaml is not UTF-8 text: byte 0xff at position 0"),
        ("apiVersion: aios/v1\nkind: Fleeet\n", 2, "unknown kind `Fleeet`"),
        (HEAD + "  nodes: [{name: a, cpu: 4\n  links: []\n", 5, "the mapping that begins here is not closed"),
        (HEAD + "  nodes:\n   - name: a\n  - name: b\n", 7, "this line does not fit the lines above it"),
        (HEAD + "  nodes:\n\t- name: a\n", 6, "a tab is used for indentation"),
        (HEAD + "  nodes: [{name: a, <<: {cpu: 4}}]\n", 5, "merge keys (`<<`) are not understood here"),
        (HEAD + "  nodes: *nobody\n", 5, "`*nobody` names nothing above it"),
        (HEAD + "  nodes: !!python/object:os [ls]\n", 5, "the tag `!!python/object:os` is not understood here"),
    ],
)  # fmt: skip
def test_text_that_is_no_yaml_of_a_fleet(text, line, summary):
    assert next((at, said) for at, _, said in told(text)) == (line, summary)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        (LAUGHS, "more than 500,000 values, aliases counted as often as they are used"),
        (HEAD + f"  nodes: {'[' * 100_000}", "nested more than 64 levels deep"),
        (HEAD + f"  topology: {'{kind: switch, between: ' * 300}{{}}{'}' * 300}\n", "nested more than 64 levels deep"),
    ],
)
def test_bombs_are_defused(text, summary):
    ((_, _, said),) = told(text)
    assert said == summary


def test_includes_that_lead_back_to_themselves_or_nowhere():
    include = "  include: [{}]\n  nodes: [{{name: {}}}]\n"
    Path("b.yaml").write_text(HEAD + include.format("c.yaml", "b"))
    Path("c.yaml").write_text(HEAD + include.format("a.yaml", "c"))
    Path("a.yaml").write_text(HEAD + include.format("b.yaml", "a"))
    (item,) = refused("validate", "--fleet", "a.yaml")
    assert (str(item.where), item.summary) == ("c.yaml:5:13", "`a.yaml` includes itself")
    assert item.reason == "a.yaml -> b.yaml -> c.yaml -> a.yaml"
    assert told(HEAD + include.format("itself.yaml", "a"), "itself.yaml") == [(5, 13, "`itself.yaml` includes itself")]
    assert told(HEAD + include.format("nowhere.yaml", "x")) == [(5, 13, "there is no file nowhere.yaml")]


ENTITIES = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
XML_BOMB = f'<?xml version="1.0"?><!DOCTYPE t [<!ENTITY e0 "ha">{ENTITIES}]>'
FILES = {
    "devicetree": [
        ("/ { npu@0 { compatible = ;\n", "does not end"),
        ("/ {" + "n {" * 10_000, "levels deep"),
    ],
    "lstopo": [
        (f"{XML_BOMB}<topology>&e9;</topology>", "entit"),
        ("<topology><object type='Machine'></topology>", "no well-formed XML"),
        ("<a>" * 200_000, "nested"),
    ],
    "nvidia-smi": [
        (f"{XML_BOMB}<nvidia_smi_log>&e9;</nvidia_smi_log>", "entit"),
        ("<nvidia_smi_log><gpu></nvidia_smi_log>", "no well-formed XML"),
    ],
    "kubernetes": [
        (LAUGHS, "more than 500,000 values"),
        ("apiVersion: v1\nkind: Node\nmetadata: {name: a\n", "not closed"),
        ("[" * 100_000, ""),
    ],
    "slurm": [("NodeName=a CPUs=many\n", "CPUs"), ("\x00\x01", "")],
    "inventory": [
        ("name,cpus\na,4\na,5\n", "two machines called `a`"),
        ("[" * 100_000, ""),
        ("name,cpus\na,-4\n", "-4"),
    ],
}


@pytest.mark.parametrize(("kind", "text", "words"), [(kind, *case) for kind, cases in FILES.items() for case in cases])
def test_descriptions_of_machines_that_are_broken_or_hostile(kind, text, words):
    Path("file.txt").write_text(text)
    begun = time.process_time()
    with pytest.raises(InputError) as caught:
        run(["hardware", "import", kind, "file.txt"])
    assert time.process_time() - begun < SOON_S
    first = caught.value.diagnostics[0]
    assert words in f"{first.summary} {first.reason}"
    assert first.where is not None


UNITS = {
    None: (HEAD + "  nodes:\n", "    - {{name: n{}, cpu: 8, memory: 64 GiB}}\n"),
    "devicetree": ("/ {\n", 'n{}: npu@{} {{ compatible = "x"; }};\n'),
    "inventory": ("name,cpus,memory_gib,gpu_model,gpus\n", "n{},96,512,Tesla T4,2\n"),
    "kubernetes": ("kind: List\nitems:\n", "- kind: Node\n  metadata: {{name: n{}}}\n"),
    "lstopo": ("<topology>", '<object type="PU" os_index="{}"/>'),
    "nvidia-smi": ("<nvidia_smi_log>", "<gpu id='{}'><product_name>Tesla T4</product_name></gpu>"),
    "slurm": ("", "NodeName=n{} CPUs=8 RealMemory=64000\n"),
}


@pytest.mark.parametrize("kind", UNITS)
def test_fifty_megabytes_are_refused_before_they_cost_anything(kind, tmp_path):
    head, unit = UNITS[kind]
    with Path("large.txt").open("w") as file:
        file.write(head)
        block = "".join(unit.format(number, number) for number in range(1000))
        for _ in range(50 * MIB // len(block) + 1):
            file.write(block)
    command = ["validate", "--fleet"] if kind is None else ["hardware", "import", kind]
    items = refused(*command, "large.txt")
    (tmp_path / "large.txt").unlink()
    assert (items[0].where.file, items[0].where.line) == ("large.txt", 1)
    assert "MiB" in items[0].summary
    assert "at most" in items[0].summary


def test_the_exit_code_and_the_json_of_a_refusal(aios):
    aios.write("fleet.yaml", HEAD + "  nodes: [{name: a, count: 0}]\n")
    ran = aios("validate", "--fleet", "fleet.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `spec.nodes[0].count` must be at least 1, not `0`\n"
        "  at fleet.yaml:5:28\n"
        "  5 |   nodes: [{name: a, count: 0}]\n"
        "    |                            ^\n"
        "  remedy  write at least 1\n"
    )
    ran = aios("validate", "--fleet", "fleet.yaml", "--json")
    assert (ran.code, ran.json["exit_code"], ran.json["errors"][0]["where"]) == (1, 1, "fleet.yaml:5:28")
