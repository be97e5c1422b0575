"""Files that are damaged, foreign or made to do harm: each is refused with what is wrong, why and what to do."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios.records.errors import Diagnostic, InputError
from aios.records.model import ModelProfile
from aios_plugins.onnx import Reader

Read = Callable[..., ModelProfile]


def refused(path: Path) -> Diagnostic:
    with pytest.raises(InputError) as caught:
        Reader().read(path, {})
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.remedy or diagnostic.reason
    return diagnostic


@pytest.fixture
def sound(build: Any) -> bytes:
    nodes = [build.node("MatMul", ["x", "w"], ["y"])]
    return build.model(nodes, [build.value("x", [1, 64])], ["y"], build.weights(w=[64, 64])).SerializeToString()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x00" * 100, "is not an ONNX model"),
        (b"not a model at all", "is not an ONNX model"),
        (os.urandom(4096), "is not an ONNX model"),
        (b"PK\x03\x04 rest", "zip archive"),
        (b"\x1f\x8b rest", "gzip"),
        (b"\x89HDF\r\n rest", "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "HTML page"),
        (onnx.ModelProto(ir_version=9).SerializeToString(), "holds no graph"),
        (TensorProto(dims=[2], data_type=1, raw_data=b"12345678").SerializeToString(), "is not an ONNX model"),
    ],
    ids=["empty", "zeros", "text", "random", "zip", "gzip", "hdf5", "lfs", "html", "no-graph", "a-tensor"],
)
def test_what_is_no_model(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    diagnostic = refused(path)
    assert words in f"{diagnostic.summary} {diagnostic.reason}"
    assert "m.onnx" in diagnostic.summary


def test_cut_off_anywhere(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "m.onnx"
    for length in range(1, len(sound) - 1, 997):
        path.write_bytes(sound[:length])
        refused(path)


def test_folder_missing_file_and_pipe(tmp_path: Path) -> None:
    assert "folder" in str(refused(tmp_path).reason)
    assert "no such file" in str(refused(tmp_path / "none.onnx").reason)
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "device" in str(refused(tmp_path / "pipe.onnx").reason)


def test_larger_than_two_gibibytes(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as stream:
        stream.truncate(2**31)  # a hole: nothing is stored, and nothing must be read
    diagnostic = refused(path)
    assert "2 GiB" in diagnostic.summary
    assert "save_as_external_data" in str(diagnostic.remedy)


def with_external(build: Any, location: str, **entries: str) -> onnx.ModelProto:
    proto = build.model([build.node("MatMul", ["x", "w"], ["y"])], [build.value("x", ["n", 64])], ["y"])
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 32], data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=text)
    proto.graph.initializer.append(tensor)
    return proto


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that the model has no business with, beside the folder that the model is in."""
    (tmp_path / "home").mkdir()
    (tmp_path / "secret").write_bytes(bytes(64 * 32 * 4))
    return tmp_path / "home" / "m.onnx"


def test_external_data_beside_the_model(build: Any, outside: Path) -> None:
    (outside.parent / "sub").mkdir()
    (outside.parent / "sub" / "w.bin").write_bytes(bytes(100 + 64 * 32 * 4))
    outside.write_bytes(with_external(build, "sub/w.bin", offset="100", length=str(64 * 32 * 4)).SerializeToString())
    first = Reader().read(outside, {})
    assert list(first.external) == ["sub/w.bin"]
    assert first.profile.parameters == 64 * 32
    assert first.profile.macs == 64 * 32
    (outside.parent / "sub" / "w.bin").write_bytes(b"\x01" * (100 + 64 * 32 * 4))
    assert Reader().read(outside, {}).profile.digest != first.profile.digest


def test_tensors_that_share_external_bytes_count_once(build: Any, outside: Path) -> None:
    (outside.parent / "w.bin").write_bytes(bytes(64 * 32 * 4))
    proto = with_external(build, "w.bin", offset="0")
    twin = proto.graph.initializer.add()
    twin.CopyFrom(proto.graph.initializer[0])
    twin.name = "tied"
    proto.graph.node.append(build.node("MatMul", ["x", "tied"], ["z"]))
    outside.write_bytes(proto.SerializeToString())
    assert Reader().read(outside, {}).profile.parameters == 64 * 32


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "sub/../../secret", "..\\secret", "C:\\secret", "", "a\0b", "link", "folder/secret"],
)
def test_external_data_that_leads_outside(build: Any, outside: Path, location: str) -> None:
    (outside.parent / "link").symlink_to(outside.parent.parent / "secret")
    (outside.parent / "folder").symlink_to(outside.parent.parent)
    outside.write_bytes(with_external(build, location).SerializeToString())
    assert "outside the model's folder" in refused(outside).summary


def test_external_file_that_is_missing(build: Any, outside: Path) -> None:
    outside.write_bytes(with_external(build, "w.bin").SerializeToString())
    diagnostic = refused(outside)
    assert diagnostic.summary.endswith("the weights file 'w.bin' is missing")
    assert str(outside.parent) in str(diagnostic.remedy)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"offset": "1"}, "which has 8192 bytes"),
        ({"offset": "99999999999"}, "which has 8192 bytes"),
        ({"offset": "-4"}, "no byte count"),
        ({"offset": "1e3"}, "no byte count"),
        ({"offset": "9" * 40}, "no byte count"),
        ({"length": "4"}, "its data has 4"),
        ({"length": "8193"}, "which has 8192 bytes"),
    ],
)
def test_external_region_that_does_not_fit(build: Any, outside: Path, entries: dict[str, str], words: str) -> None:
    (outside.parent / "w.bin").write_bytes(bytes(64 * 32 * 4))
    outside.write_bytes(with_external(build, "w.bin", **entries).SerializeToString())
    assert words in refused(outside).summary


def test_a_name_too_long_for_any_file(build: Any, outside: Path) -> None:
    outside.write_bytes(with_external(build, "x" * 5000).SerializeToString())
    assert "no usable path" in refused(outside).summary


@pytest.mark.parametrize("dims", [[2**40, 2**40], [2**62], [-1, 4], [1000]])
def test_initializer_that_declares_more_than_it_holds(build: Any, read: Read, dims: list[int]) -> None:
    proto = build.model([build.node("Add", ["x", "w"], ["y"])], [build.value("x", [1, 4])], ["y"])
    proto.graph.initializer.append(TensorProto(name="w", data_type=1, dims=dims, raw_data=b"\0" * 16))
    with pytest.raises(InputError, match=r"tensor 'w' (declares|has a negative)"):
        read(proto)


def test_every_bad_tensor_is_reported(build: Any, read: Read) -> None:
    proto = build.model([build.node("Sum", ["x", "v", "w"], ["y"])], [build.value("x", [1, 4])], ["y"])
    for name in ("v", "w"):
        proto.graph.initializer.append(TensorProto(name=name, data_type=1, dims=[4], float_data=[1.0]))
    with pytest.raises(InputError) as caught:
        read(proto)
    assert len(caught.value.diagnostics) == 2


def test_unknown_element_type(build: Any, read: Read) -> None:
    proto = build.model([build.node("Add", ["x", "w"], ["y"])], [build.value("x", [1, 4])], ["y"])
    proto.graph.initializer.append(TensorProto(name="w", data_type=77, dims=[4], raw_data=b"\0" * 16))
    with pytest.raises(InputError, match="element type 77"):
        read(proto)


def test_huge_declared_shapes_allocate_nothing(build: Any, read: Read) -> None:
    """Shapes from a constant that ask for 2^80 elements, in an input, an Expand and a ConstantOfShape."""
    sizes = numpy_helper.from_array(np.array([2**40, 2**40], np.int64), "sizes")
    one = numpy_helper.from_array(np.ones((1, 1), np.float32), "one")
    graphs = [
        build.model([build.node("Relu", ["x"], ["y"])], [build.value("x", [2**40, 2**40])], ["y"]),
        build.model([build.node("Expand", ["one", "sizes"], ["y"])], [], ["y"], [sizes, one]),
        build.model([build.node("ConstantOfShape", ["sizes"], ["y"])], [], ["y"], [sizes]),
    ]
    tracemalloc.start()
    for graph in graphs:
        with pytest.raises(InputError, match="more than a pebibyte"):
            read(graph)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_hint_cannot_make_a_value_large(build: Any, read: Read) -> None:
    """The file says that a range of 2^40 numbers has two: what is folded must be as large as inferred, not as told."""
    ends = [
        numpy_helper.from_array(np.asarray(value, np.int64), name) for name, value in (("a", 0), ("b", 2**40), ("c", 1))
    ]
    proto = build.model(
        [build.node("Range", ["a", "b", "c"], ["r"]), build.node("Add", ["r", "x"], ["y"])],
        [build.value("x", [1], 7)],
        ["y"],
        ends,
    )
    proto.graph.value_info.append(build.value("r", [2], TensorProto.INT64))
    assert read(proto).parameters == 0


def test_absurd_trip_count(build: Any, read: Read) -> None:
    body = helper.make_graph(
        [build.node("Identity", ["go"], ["on"]), build.node("Relu", ["h"], ["n"])],
        "body",
        [build.value("i", [], 7), build.value("go", [], 9), build.value("h", [1024])],
        [build.value("on", [], 9), build.value("n", [1024])],
    )
    trips = numpy_helper.from_array(np.asarray(2**62, np.int64), "trips")
    graph = build.model(
        [build.node("Loop", ["trips", "", "x"], ["y"], body=body)], [build.value("x", [1024])], ["y"], [trips]
    )
    with pytest.raises(InputError, match=r"about 10\^22 operations"):
        read(graph)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("a", "b"), ("b", "a")], "in a circle"),
        ([("b", "y"), ("x", "b")], "before it is made"),
        ([("nowhere", "y")], "which nothing makes"),
        ([("x", "y"), ("x", "y")], "two nodes make the tensor 'y'"),
    ],
)
def test_graph_that_is_no_order(build: Any, read: Read, pairs: list[tuple[str, str]], words: str) -> None:
    nodes = [build.node("Relu", [read_from], [made]) for read_from, made in pairs]
    with pytest.raises(InputError, match=words):
        read(build.model(nodes, [build.value("x", [4])], ["y"]))


def nested(build: Any, depth: int) -> onnx.ModelProto:
    inner = helper.make_graph([build.node("Relu", ["x"], ["r"])], "leaf", [], [build.value("r", None)])
    other = helper.make_graph([build.node("Abs", ["x"], ["r"])], "leaf", [], [build.value("r", None)])
    for level in range(depth):
        node = build.node("If", ["c"], [f"r{level}"], then_branch=inner, else_branch=other)
        inner = helper.make_graph([node], "g", [], [build.value(f"r{level}", None)])
    return build.model(
        [build.node("If", ["c"], ["y"], then_branch=inner, else_branch=other)],
        [build.value("x", [4]), build.value("c", [], TensorProto.BOOL)],
        ["y"],
    )


def field(number: int, content: bytes) -> bytes:
    """One length-delimited field of a protobuf message."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_nested_subgraphs_are_read(build: Any, read: Read) -> None:
    assert read(nested(build, 20)).flops == 4


def test_subgraphs_nested_to_exhaust_the_reader(tmp_path: Path) -> None:
    """Three thousand Ifs inside each other, written byte by byte because no library would."""
    graph = field(2, b"leaf")
    for _ in range(3_000):
        branch = field(1, b"then_branch") + field(6, graph) + bytes([20 << 3, 5])
        graph = field(1, field(4, b"If") + field(5, branch))
    path = tmp_path / "deep.onnx"
    path.write_bytes(bytes([8, 9]) + field(7, graph))
    assert "nested too deeply" in str(refused(path).reason)


def test_a_name_that_is_no_text(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(sound.replace(b"MatMul", b"\xff\xfetMul"))
    assert "not text" in refused(path).summary


def test_wrong_shapes_are_told_not_raised(build: Any, read: Read) -> None:
    profile = read(
        build.model(
            [build.node("MatMul", ["x", "w"], ["y"])], [build.value("x", [1, 5])], ["y"], build.weights(w=[4, 4])
        )
    )
    assert profile.unknown_operators == {"MatMul": 1}
    assert any("shape of MatMul" in note for note in profile.notes)


def test_division_by_zero_in_a_shape(build: Any, read: Read) -> None:
    constants = [numpy_helper.from_array(np.array([0], np.int64), "zero")]
    nodes = [
        build.node("Shape", ["x"], ["s"]),
        build.node("Div", ["s", "zero"], ["d"]),
        build.node("Reshape", ["x", "d"], ["y"]),
    ]
    assert read(build.model(nodes, [build.value("x", [4])], ["y"], constants)).name == "made"
