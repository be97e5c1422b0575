"""Configurations and outputs of Slurm that are wrong, hostile or very large are refused in words or read, and soon."""

import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from importer_texts import Texts, by_name

from aios.records.errors import InputError
from aios_plugins.slurm import Importer

DATA = Path(__file__).parent / "data" / "slurm"
TEXTS = Texts(Importer, "slurm.conf")


def test_all_mistakes_at_once_with_their_places():
    text = (
        "ClusterName=x\n"
        "NodeName=a[1-3] CPUs=four RealMemory=16G\n"
        "NodeName=b CoresPerScoket=8 \\\n"
        "  Gres=gpu:a:b:c:4\n"
        "NodeName=a2 CPUs=4\n"
        "NodeName=c[3-1] CPUs=4\n"
        "PartitionName=p Nodes=a1,bb\n"
        "NodeName=d CPUs=4 Feature\n"
    )
    told = [(item.where.line, item.where.column, item.summary) for item in TEXTS.mistakes_of(text)]
    assert told == [
        (2, 17, "`CPUs`: `four` is no number of it"),
        (2, 27, "`RealMemory`: `16G` is no number of it"),
        (3, 12, "`CoresPerScoket` is nothing that a node has"),
        (4, 3, "`Gres`: `gpu:a:b:c:4` is no generic resource"),
        (5, 1, "there are two nodes called `a2`"),
        (6, 1, "`NodeName`: `c[3-1]` is no host list: the range `3-1` runs backwards"),
        (7, 17, "there is no node `bb`"),
        (8, 1, "`Feature` is no `Key=Value`"),
    ]


def test_the_remedy_says_how_slurm_counts_memory():
    (told,) = TEXTS.mistakes_of("NodeName=a CPUs=4 RealMemory=16G\n")
    assert "MiB, without a unit" in told.remedy


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("hello\n", "is no `Key=Value`"),
        ("ClusterName=x\n", "no node is described"),
        ("NodeName=n[1-999999999] CPUs=1\n", "at most"),
        ("NodeName=n[1-500000] CPUs=1\n", "more than 200,000"),
        ("NodeName=" + "[1-9]" * 40 + " CPUs=1\n", "at most"),
        ("NodeName=n CPUs=0\n", "no number of it"),
        ("NodeName=n CPUs=4 CPUs=5\n", "written twice"),
        ("NodeName=n CPUs=" + "9" * 5000 + "\n", "no number of it"),
        ("[" * 100_000, "nested too deep"),
        ('{"nodes": [{"name": "a", "cpus": NaN}]}', "NaN"),
        ('{"nodes": [{"name": "a", "cpus": "x"}]}', "no whole number"),
        ('{"nodes": [1]}', "no `name`"),
        ('{"nodes": [', "no well-formed JSON"),
        ('{"nodes": [{"name": "a", "cpus": 1, "cpus": 2}]}', "`cpus` stands twice"),
        ('{"nodes": [{"name": "a"}], "nodes": [{"name": "b"}]}', "`nodes` stands twice"),
        ('{"nodes": []} x', "more behind the end"),
        ("  CPUTot=8\nNodeName=a CPUTot=8\n", "whose beginning is missing"),
        ("NodeName=a CPUTot=8\nNodeName= CPUTot=8\n", "no name"),
        ("\x7fELF\x00\x00", "not UTF-8"),
        ("NodeName=a CPUAlloc=x CPUTot=8\n", "no whole number"),
        ("NodeName=a CPUAlloc=0 CPUTot=8\nNodeName=a CPUAlloc=0 CPUTot=8\n", "two nodes called `a`"),
    ],
)
def test_what_cannot_be_read(text, word):
    began = time.process_time()
    assert word in " ".join(item.summary for item in TEXTS.mistakes_of(text))
    assert time.process_time() - began < 5


def test_of_two_outputs_with_one_node_neither_wins():
    text = "NodeName=a CPUAlloc=0 CPUTot=8\n"
    (told,) = TEXTS.mistakes_of(text, "one.txt", files={"two.txt": "\n" + text})
    assert (told.where.file, told.reason) == ("two.txt", "the other one stands on line 1 of one.txt")


def test_an_output_that_was_indented_has_all_its_nodes():
    text = "  NodeName=a CPUTot=8\n     RealMemory=10\n  NodeName=b CPUTot=4\n"
    assert {name: machine.cores for name, machine in by_name(TEXTS.read(text, "n.txt")).items()} == {"a": 8, "b": 4}


@pytest.mark.parametrize(
    "files",
    [
        {"slurm.conf": "NodeName=n[0001-5000] CPUs=8\nPartitionName=p Nodes=m[000001-200000]\n"},
        {"slurm.conf": "".join(f"NodeName=a{i} CPUz{i}=8\n" for i in range(30_000))},
        {
            "slurm.conf": "NodeName=n[1-50000] CPUs=8\n"
            + "".join(f"PartitionName=p{i} Nodes=ALL\n" for i in range(3_000))
        },
        {"slurm.conf": "NodeName=n1 CPUs=8\n" + "".join(f"PartitionName=p{i} Nodes=n1\n" for i in range(20_000))},
        {"slurm.conf": "NodeName=n[1-40000] CPUs=8\n" + "DownNodes=ALL State=DOWN\n" * 150},
        {"slurm.conf": "NodeName=n CPUs=8 CPUSpecList=" + "0-99999," * 50_000 + "\n"},
        {"n.txt": "NodeName=n CPUTot=8\n Gres=gpu:8\n GresUsed=gpu:8(IDX:" + "0-4095," * 50_000 + "7)\n"},
        {
            "n.json": '{"nodes":['
            + ",".join(f'{{"name" :"n{i}","cpus":8,"x":"{"y" * 400}"}}' for i in range(10_000))
            + "]}"
        },
    ],
    ids=["unknown nodes", "unknown keys", "memberships", "partitions", "down", "spared", "indices", "json"],
)
def test_time_grows_with_the_size_alone(files):
    began = time.process_time()
    with contextlib.suppress(InputError):
        assert Importer().read({name: text.encode() for name, text in files.items()}, {}).machines
    assert time.process_time() - began < 10  # some 1 s


def test_switches_in_a_circle():
    text = "SwitchName=a Nodes=n1 Switches=b\nSwitchName=b Switches=a\n"
    (told,) = TEXTS.mistakes_of("NodeName=n1 CPUs=1\n", files={"topology.conf": text})
    assert "below itself" in told.summary


def test_only_the_first_fifty_mistakes_are_told():
    began = time.process_time()
    told = TEXTS.mistakes_of("".join(f"NodeName=n{i} CPUs=x\n" for i in range(20_050)))
    assert len(told) == 51
    assert "20000 more" in told[-1].summary
    assert time.process_time() - began < 8  # some 0.5 s


def test_reading_stops_at_the_first_that_is_too_much():
    (told,) = TEXTS.mistakes_of("".join(f"NodeName={letter}[1-150000] CPUs=1\n" for letter in "abcdefgh"))
    assert (told.summary, told.where.line) == ("there are more than 200,000 nodes", 2)
    (told,) = TEXTS.mistakes_of("# one line each\n\n" + "NodeName=n CPUs=1\n" * 100_002)
    assert (told.where.line, told.where.column) == (100_003, 1)
    assert "slurm.conf has more than 100,000 lines" in told.summary


def test_unknown_options_are_refused():
    assert "unknown option" in TEXTS.mistakes_of("NodeName=a CPUs=1\n", label="x")[0].summary


@given(st.text(alphabet='NodeName=[]()-,: \n\\#"CPUs14gres{}', max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        TEXTS.read(f"NodeName={text}")
    except InputError as error:
        diagnostics = error.diagnostics
    else:
        diagnostics = ["read"]
    assert diagnostics


def test_a_hundred_thousand_nodes_are_read_soon():
    began = time.process_time()
    inventory = TEXTS.read("NodeName=n[000001-100000] CPUs=64 Gres=gpu:a40:4\nPartitionName=p Nodes=ALL\n")
    assert len(inventory.machines) == 100_000
    assert time.process_time() - began < 10  # some 1 s


def test_json_of_many_nodes_is_read_soon():
    one = json.loads((DATA / "nodes.json").read_text())["nodes"][0]
    text = json.dumps({"nodes": [one | {"name": f"n{index}"} for index in range(2000)]})
    began = time.process_time()
    assert len(TEXTS.read(text, "nodes.json").machines) == 2000
    assert time.process_time() - began < 8  # some 0.5 s
