"""Device trees that mean harm, or are damaged, are read or refused, and soon."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from importer_texts import Texts

from aios_plugins.devicetree import Importer

TEXTS = Texts(Importer, "any")

NPU = (Path(__file__).parent / "data" / "devicetree" / "invented-npu.dts").read_text()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"\x00\x01\x02",
        b"\xff\xfen\x00p\x00u\x00",
        b"npu \xe9 { };",
        b"npu { " * 100_000,
        b"npu {x=<" + b"(" * 100_000,
        b"npu {x=<" + b"1 " * 100_000,
        b"npu {x=<" + b"9" * 100_000,
        b"/*" * 100_000,
        b'"' * 100_000,
        b"}" * 100_000,
        b"a;" * 100_000,
        b"#" * 100_000,
        b"x" * (9 * 2**20),
        b"\xd0\x0d\xfe\xed" + b"\0" * (9 * 2**20),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_hostile_text_ends_in_mistakes(content):
    found = TEXTS.mistakes_of(content, "hostile.dts")
    assert len(found) <= 51
    assert found[0].where is not None


@pytest.mark.parametrize(
    "text",
    [
        "n { precision_support = <" + "AAA " * 60_000 + ">; peak_flops = <1>; };",
        "".join(f"n{i} {{ peak_flops = <{i + 1}>; precision_support = <FP16>; }};\n" for i in range(4_000)),
        "/ { " + "".join(f"n@{i} {{ peak_flops = <{i + 1}>; }};\n" for i in range(4_000)) + " };",
        "/ { " + "".join(f"a{i}: n{i} {{ }};" for i in range(4_000)) + " };"
        + "".join(f"/delete-node/ &a{i};" for i in range(4_000)),
        "n { peak_flops = <1>;" + "/*" * 300_000 + " };",
    ],
    ids=["words", "nodes", "one name", "deleted", "comments"],
)  # fmt: skip
def test_large_text_is_read_or_refused_soon(text):
    begun = time.process_time()
    TEXTS.read_or_refused(text.encode(), "large.dts")
    assert time.process_time() - begun < 8  # some 1 s


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(NPU) - 1),
    st.integers(0, 12),
    st.text(alphabet='{}<>;="/*,()&:#@\n 0xZ_', max_size=6),
)
def test_text_with_a_slip_is_read_or_refused(at, length, inserted):
    TEXTS.read_or_refused((NPU[:at] + inserted + NPU[at + length :]).encode())
