"""Lists of machines that are long, damaged or hostile are read or refused, and soon."""

import json
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from importer_texts import Texts

from aios_plugins.inventory import Importer

TEXTS = Texts(Importer, "nodes.csv")
DATA = Path(__file__).parent / "data" / "inventory"


def test_fifteen_hundred_machines_take_little():
    kinds = [("32000", "262144", "0", ""), ("96000", "524288", "2", "T4"), ("128000", "786432", "8", "X9")]
    rows = [f"n-{number:04d},{','.join(kinds[number % 3])}" for number in range(1523)]
    text = "\n".join(["sn,cpu_milli,memory_mib,gpu,model", *rows]).encode()
    begun = time.process_time()
    tracemalloc.start()
    found = TEXTS.read(text).machines
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - begun < 2
    assert most < 10e6
    assert len(found) == 1523
    assert found[1].devices is found[4].devices or found[1].devices == found[4].devices


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"_meta": {"hostvars": {f"node{i:05}.example.org": {"cpu": 8} for i in range(20_000)}}}),
        json.dumps({"all": {"hosts": [f"node{i:05}.example.org" for i in range(50_000)]}}),
        json.dumps([{"name": f"n{i}", **{f"k{i}-{j}": 1 for j in range(10)}} for i in range(5_000)]),
        "name," + ",".join(f"c{i}" for i in range(50_000)) + "\na" + ",1" * 50_000 + "\n",
    ],
    ids=["hosts", "group", "cells", "columns"],
)
def test_time_grows_with_the_size_alone(text):
    begun = time.process_time()
    assert TEXTS.read(text).machines
    assert time.process_time() - begun < 5  # some 0.7 s


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\xff\xfea\x00",
        b"name,cpu\n\xe9,4\n",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'[{"name":"a","cpu":' + b"9" * 5000 + b"}]",
        b'"' + b"x" * 200_000,
        b"name,cpu\n" + b"x" * 200_000 + b",4\n",
        b"name,cpu\n" + b",4\n" * 2000,
        b"n,4\n" * (12 * 2**20),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_hostile_lists_end_in_mistakes(content):
    begun = time.process_time()
    found = TEXTS.mistakes_of(content)
    assert time.process_time() - begun < 5
    assert 1 <= len(found) <= 51


TABLE = (DATA / "invented-openb.csv").read_text()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(TABLE) - 1), st.integers(0, 9), st.text(alphabet=',;"\n\t#x0-.{}[] ', max_size=5))
def test_a_table_with_a_slip_is_read_or_refused(at, length, inserted):
    TEXTS.read_or_refused(TABLE[:at] + inserted + TABLE[at + length :])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["gpu", "model", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["name", "cpu", "memory_gib", "gpu", "gpu_model", "rack", "region", "ansible_facts", "_meta"]),
    JSON_VALUES,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(OBJECTS, max_size=4) | OBJECTS)
def test_any_json_is_read_or_refused(value):
    TEXTS.read_or_refused(json.dumps(value))
