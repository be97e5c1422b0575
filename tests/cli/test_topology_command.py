"""hardware topology: tree, matrix, best sets, pictures, and what it says when there is nothing to show."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from aios.cli.main import main
from aios.cli.picturelayout import laid_out
from aios.fleet.topology.fabric import fabric_of
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node, Topology

RACKS = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: racks}
spec:
  nodes:
    - name: dgx
      count: COUNT
      hosts: "gpu[01-COUNT]"
      devices: [{type: accelerator, count: 8}]
      topology: {kind: nvswitch, bandwidth: 450 GB/s, latency: 2 us}
      used: {devices: {"7": 0.5}}
  topology:
    - kind: rack-spine
      group: 2
      bandwidth: 50 GB/s
      latency: 5 us
      spine: {bandwidth: 100 GB/s, latency: 5 us}
  devices:
    - {name: accelerator, kind: gpu, interconnects: [{kind: pcie9-x16, bandwidth: 60 GB/s}]}
"""
BOX = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: box}
spec:
  nodes:
    - name: box
      devices: [{type: npu, count: 16}]
      topology:
        kind: hccs
        group: 8
        bandwidth: 28 GB/s
        latency: 2 us
        between: {kind: pcie, bandwidth: 32 GB/s, latency: 5 us}
  devices: [{name: npu, kind: npu}]
"""
APART = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: apart}
spec:
  nodes: [{name: a, devices: [{type: npu, count: 4}]}, {name: b, devices: [{type: npu, count: 4}]}]
  devices: [{name: npu, kind: npu}]
"""


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def topology(tmp_path, monkeypatch, capsys):
    """Run the command in this process, in an empty folder: a process of its own costs half a second each time."""
    monkeypatch.chdir(tmp_path)

    def run(text, *arguments):
        Path("f.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit) as left:
            main(["hardware", "topology", "--fleet", "f.yaml", *arguments])
        return Ran(left.value.code or 0, *capsys.readouterr())

    return run


def test_domains_are_a_tree_with_equal_ones_counted(topology):
    ran = topology(RACKS.replace("COUNT", "4"))
    assert ran.code == 0
    assert [re.split(r" {3,}(?=[0-9])", line)[0].rstrip() for line in ran.out.splitlines()[3:7]] == [
        "spine",
        "└─ 2 × rack",
        "   └─ 2 × host of each dgx",
        "      └─ nvlink",
    ]
    assert ran.out.splitlines()[6].split()[-5:] == ["450", "GB/s", "2", "us", "0-7"]
    assert "node `dgx`: nobody states the latency of `pcie9-x16`; it counts as 0" in ran.out


def test_machines_that_nothing_joins_stand_side_by_side(topology):
    assert [line.split("  ")[0] for line in topology(APART).out.splitlines()[3:5]] == ["host of a", "host of b"]


def test_json_holds_the_whole_fabric(topology):
    ran = topology(RACKS.replace("COUNT", "2"), "--best", "14", "--json")
    assert ran.code == 0
    assert ran.json["machines"] == ["dgx-0", "dgx-1"]
    assert len(ran.json["devices"]) == 16
    assert {(item["name"], len(item["members"])) for item in ran.json["domains"]} == {
        ("nvlink", 8), ("host", 8), ("rack", 16), ("spine", 16),
    }  # fmt: skip
    assert ran.json["sets"][0]["split"] == [7, 7]  # device 7 of each is in use
    assert all("/7" not in device for device in ran.json["sets"][0]["devices"])


def test_one_machine_has_a_matrix_and_may_be_called_as_its_owner_does(topology):
    ran = topology(RACKS.replace("COUNT", "12"), "--node", "gpu03")
    assert ran.code == 0
    assert "12 machines, of which 1 is looked at" in ran.out
    assert "host of dgx-2" in ran.out
    assert re.search(r"nvlink +450 GB/s  2 hops, 4 us", ran.out)


def test_six_and_two_are_not_one_domain_of_eight(topology):
    ran = topology(BOX, "--best", "8", "--free", "0,1,2,3,4,5", "--free", "box/8,box/9", "--json")
    (found,) = ran.json["sets"]
    assert (found["level"], found["split"]) == ("pcie", [6, 2])
    assert {(item["level"], item["hops"]) for item in ran.json["pairs"]} == {("hccs", 1), ("pcie", 2)}
    words = topology(BOX, "--best", "8", "--free", "0,1,2,3,4,5,8,9").out
    assert "1  pcie    6 + 2     32 GB/s  2 hops, 10 us  box/0-5,8-9" in words


def test_times_of_the_best_set_and_of_a_worse_one(topology):
    """A ring of eight over 28 GB/s links of seven each; HCCS is calibrated like another kind, which is assumed."""
    asked = ("--time", "all-reduce=256MiB", "--time", "point-to-point=1GB")
    best = topology(BOX, "--best", "8", *asked, "--json").json
    (reduced, sent) = best["sets"][0]["times"]
    assert (reduced["operation"], reduced["size_bytes"], reduced["algorithm"]) == ("all-reduce", 2**28, "ring")
    assert reduced["low_s"] < reduced["time_s"] < reduced["high_s"]
    assert (reduced["source"], reduced["reason"], reduced["library"]) == ("assumed", None, "nccl")
    assert "hccs" in reduced["basis"]
    assert sent["time_s"] > 1e9 / 28e9
    apart = ("--devices", "0,1,2,3,4,5", "--devices", "box/8,box/9")
    ran = topology(BOX, *apart, *asked)
    assert "the 8 devices asked for" in ran.out
    assert re.search(r"1  point-to-point +1GB +\S+ m?s +.* to .* +point-to-point +assumed  b", ran.out)
    worse = topology(BOX, *apart, *asked, "--json").json["sets"]
    assert [item["split"] for item in worse] == [[6, 2]]
    assert worse[0]["times"][0]["time_s"] > reduced["time_s"]


def test_the_algorithm_may_be_chosen_and_what_cannot_be_done_by_it_is_unknown(topology):
    racks = RACKS.replace("COUNT", "2")
    rows = {}
    for extra in ((), ("--library", "another"), ("--algorithm", "hierarchical")):
        asked = ("--time", "all-reduce=1GiB", "--time", "all-to-all=1GiB", *extra, "--json")
        rows[extra] = topology(racks, "--devices", "dgx-0,gpu02", *asked).json["sets"][0]["times"]
    flat, other, chosen = ([row["algorithm"] for row in times] for times in rows.values())
    assert (flat, other, chosen) == (["ring", "pairwise"], ["hierarchical", "pairwise"], ["hierarchical", None])
    unknown = rows["--algorithm", "hierarchical"][1]
    assert unknown["time_s"] is None
    assert "known: `pairwise`" in unknown["reason"]


def test_a_time_over_an_unknown_connection_is_a_question_mark_with_the_reason(topology):
    ran = topology(APART, "--devices", "a/0,b/0", "--time", "all-reduce=1MiB")
    assert ran.code == 0
    assert re.search(r"1  all-reduce  1MiB +\? +\? +\? +\? +a\n", ran.out)
    assert "a  nothing of known bandwidth joins `a/0` and `b/0`; node `a`: how `npu` reaches its host" in ran.out
    alone = topology(APART, "--devices", "a/0", "--time", "all-reduce=1MiB", "--json").json["sets"][0]
    assert (alone["level"], alone["times"][0]["time_s"]) == ("host", 0.0)


def test_all_that_is_wrong_with_times_is_said_at_once(topology):
    wrong = ("allreduce=1GB", "all-reduce", "all-gather=5", "broadcast=0 B", "send-recv=10 ms")
    ran = topology(APART, "--best", "2", *(word for text in wrong for word in ("--time", text)), "--algorithm", "rings")
    assert ran.code == 1
    for said in (
        "unknown operation `allreduce`", "did you mean `all-reduce`?", "`all-reduce` says no size", "5 has no unit",
        "`broadcast=0 B`: there is nothing to send", "is a time, but", "did you mean `ring`?", "6 errors",
    ):  # fmt: skip
        assert said in ran.err


@pytest.mark.parametrize(
    "arguments",
    [["--time", "all-reduce=1GB"], ["--best", "2", "--library", "nccl"], ["--best", "2", "--devices", "a/0"]],
)
def test_options_that_need_or_contradict_each_other(topology, arguments):
    ran = topology(APART, *arguments)
    assert (ran.code, ran.out) == (64, "")


def test_too_many_devices_are_not_timed(topology):
    many = RACKS.replace("COUNT", "200").replace('      hosts: "gpu[01-200]"\n', "")
    ran = topology(many, "--devices", ",".join(f"dgx-{it}" for it in range(129)), "--time", "all-to-all=1GB")
    assert ran.code == 1
    assert "operations on 1,032 devices are not timed (at most 1,024)" in ran.err


def test_a_large_fleet_is_looked_at_by_some_of_its_machines(topology):
    many = RACKS.replace("COUNT", "9000").replace('      hosts: "gpu[01-9000]"\n', "")
    ran = topology(many)
    assert "fleet racks: 9,000 machines, of which 1 is looked at" in ran.out
    ran = topology(many, "--best", "16")
    assert "of which 4 are looked at" in ran.out
    # Seven of each machine are free, and two machines share a rack.
    assert re.search(r"1  spine   14 \+ 2 +50 GB/s  6 hops", ran.out)


@pytest.mark.parametrize(
    ("arguments", "summary", "reason"),
    [
        (["--best", "5"], "no 5 of the 8 free devices are connected", "the largest number of free devices"),
        (["--best", "9"], "there are no 9 free devices, only 8", ""),
        (["--node", "c"], "there is no machine `c` in fleet apart", ""),
        (["--best", "2", "--free", "a/9"], "there is no device `a/9`", "`a/0`"),
        (["-o", "picture.bmp"], "no picture can be written to picture.bmp", "use one of .svg, .png, .pdf"),
        (["--best", "100000"], "sets of 100,000 devices are not looked for", ""),
    ],
)
def test_mistakes_say_why(topology, arguments, summary, reason):
    ran = topology(APART, *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert summary in ran.err
    assert reason in ran.err


def test_a_picture_has_every_device_and_is_the_same_each_time(topology):
    first = topology(BOX, "--best", "2", "-o", "box.svg")
    assert first.code == 0
    assert "written to box.svg" in first.out
    drawn = Path("box.svg").read_text()
    topology(BOX, "--best", "2", "-o", "again.svg")
    assert Path("again.svg").read_text() == drawn
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    texts = re.findall(r"<!-- (.*?) -->", drawn)  # matplotlib writes each text beside its outlines
    assert {*map(str, range(16)), "host", "hccs", "pcie of box", "box"} <= set(texts)


def test_machines_of_a_larger_fleet_are_points(topology):
    assert topology(RACKS.replace("COUNT", "24"), "-o", "racks.svg").code == 0
    drawn = Path("racks.svg").read_text()
    for name in ("dgx-0", "dgx-23", "8 gpu", "rack-11", "spine"):
        assert name in drawn


def test_nothing_is_drawn_that_nobody_could_read(topology):
    many = RACKS.replace("COUNT", "2000").replace('      hosts: "gpu[01-2000]"\n', "")
    names = ",".join(f"dgx-{number}" for number in range(1100))
    ran = topology(many, "--best", "2", "--free", names, "-o", "many.png")
    assert ran.code == 1
    assert "1,100 machines are more than a picture can show" in ran.err
    assert not Path("many.png").exists()


def test_a_picture_that_cannot_be_written_is_the_world_s_fault(topology):
    ran = topology(BOX, "-o", "f.yaml/box.svg")  # a file is no folder
    assert (ran.code, ran.out) == (6, "")
    assert "f.yaml" in ran.err
    assert Path("f.yaml").read_text(encoding="utf-8") == BOX


@pytest.mark.parametrize("count", [1, 4, 24])
def test_nothing_stands_on_anything_else(count):
    kind = Topology(name="nv", kind="full", group=4, bandwidth_bytes_per_s=Fact(value=1e9, unit="B/s"))
    slot = DeviceSlot(type="gpu", ids=tuple("01234567"))
    machines = Node(name="m", count=count, devices=(slot,), topology=(kind,))
    rack = kind.model_copy(update={"name": "rack", "kind": "switch"})
    types = {"gpu": DeviceType(name="gpu", kind="gpu")}
    fleet = Fleet(name="f", nodes=(machines,), types=types, topology=(rack,), digest="-", origin="-")
    layout = laid_out(fabric_of(fleet, {}), single=count > 12)
    assert len(layout.points) >= (count if count > 12 else 8 * count)
    for (_, a), (_, b) in combinations(layout.points.items(), 2):
        assert max(abs(a[0] - b[0]), abs(a[1] - b[1])) > 0.6
    for a, b in combinations(layout.boxes, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart or set(b.domain.members) <= set(a.domain.members)
        assert apart or (a.x <= b.x and a.y <= b.y and b.x + b.width <= a.x + a.width)


def test_without_matplotlib_the_remedy_is_one_command(tmp_path):
    """A module of that name which cannot be imported stands for a machine without it."""
    (tmp_path / "f.yaml").write_text(BOX, encoding="utf-8")
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from aios.cli.main import main\n"
        "main(['hardware', 'topology', '--fleet', 'f.yaml', '-o', 'box.svg'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 6
    assert "pip install 'aios-planner[draw]'" in ran.stderr
    assert not (tmp_path / "box.svg").exists()
