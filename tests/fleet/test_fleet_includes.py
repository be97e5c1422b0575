"""A fleet file that is made of several files and folders."""

import itertools

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, load_catalogue
from aios.fleet import fleet_text as fleet_file
from aios.records.document import parse
from aios.records.errors import InputError
from aios.workflow.reading import read_written
from aios.workflow.setting import Setting

NPU = "name: my-npu\nkind: npu\ntdp: 3 W\n"
NPU_FLOW = "name: my-npu, kind: npu, tdp: 3 W"


def fleet_text(name: str, spec: str) -> str:
    return f"apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def written(folder, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(path):
    return read_written(Setting(fleet=str(path))).fleet


def mistakes(path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(path)
    return [item.summary for item in caught.value.diagnostics]


def test_files_and_folders_are_found_beside_the_file_that_includes_them(tmp_path):
    written(
        tmp_path,
        {
            "site/fleet.yaml": fleet_text("site", "include: [racks/one.yaml, devices/]"),
            "site/racks/one.yaml": fleet_text(
                "one", "include: two.yaml, nodes: [{name: a, devices: [{type: my-npu}]}]"
            ),
            "site/racks/two.yaml": fleet_text("two", "nodes: [{name: b, devices: [{type: other}]}]"),
            "site/devices/npu.yaml": NPU,
            "site/devices/more.yaml": "name: other\nkind: gpu\nfrom: nvidia-t4\n",
            "site/devices/notes.txt": "not read",
        },
    )
    fleet = read(tmp_path / "site" / "fleet.yaml")
    assert (fleet.name, [node.name for node in fleet.nodes]) == ("site", ["a", "b"])
    assert fleet.origin == str(tmp_path / "site" / "fleet.yaml")
    assert fleet.types["my-npu"].tdp_w.value == 3.0
    assert fleet.types["other"].tdp_w.value == 70.0
    assert fleet.nodes[1].where.file == str(tmp_path / "site" / "racks" / "two.yaml")


def test_the_digest_does_not_depend_on_how_a_fleet_is_cut_into_files(tmp_path):
    nodes = ["{name: a, cpu: 1}", "{name: b, devices: [{type: my-npu}]}"]
    written(tmp_path, {"whole.yaml": fleet_text("w", f"nodes: [{', '.join(nodes)}], devices: [{{{NPU_FLOW}}}]")})
    whole = read(tmp_path / "whole.yaml").digest
    for number, order in enumerate(itertools.permutations(["one.yaml", "two.yaml", "npu.yaml"])):
        folder = tmp_path / str(number)
        written(
            folder,
            {
                "fleet.yaml": fleet_text("x", f"include: [{', '.join(order)}]"),
                "one.yaml": fleet_text("y", f"nodes: [{nodes[1]}]"),
                "two.yaml": fleet_text("z", f"nodes: [{nodes[0]}]"),
                "npu.yaml": NPU,
            },
        )
        assert read(folder / "fleet.yaml").digest == whole


def test_the_same_file_is_read_once_however_it_is_named(tmp_path):
    written(
        tmp_path,
        {
            "fleet.yaml": fleet_text(
                "f", "include: [npu.yaml, ./sub/../npu.yaml, sub, again.yaml], nodes: [{name: a}]"
            ),
            "npu.yaml": NPU,
            "sub/b.yaml": fleet_text("b", "include: ../npu.yaml, nodes: [{name: b}]"),
        },
    )
    (tmp_path / "again.yaml").symlink_to(tmp_path / "npu.yaml")
    assert len(read(tmp_path / "fleet.yaml").nodes) == 2


def test_a_folder_may_hold_the_file_that_includes_it(tmp_path):
    written(tmp_path, {"fleet.yaml": fleet_text("f", "include: ., nodes: [{name: a, devices: [{type: my-npu}]}]")})
    written(tmp_path, {"npu.yaml": NPU, "intent.yaml": "apiVersion: aios/v1\nkind: Intent\nspec: {}\n"})
    assert set(read(tmp_path / "fleet.yaml").types) == {"my-npu"}


def test_a_circle_is_shown(tmp_path):
    written(
        tmp_path,
        {
            "a.yaml": fleet_text("a", "include: b.yaml, nodes: [{name: a}]"),
            "b.yaml": fleet_text("b", "include: c/c.yaml, nodes: [{name: b}]"),
            "c/c.yaml": fleet_text("c", "include: ../b.yaml, nodes: [{name: c}]"),
        },
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a.yaml")
    (mistake,) = caught.value.diagnostics
    assert mistake.summary == f"`{tmp_path}/b.yaml` includes itself"
    assert mistake.reason == f"{tmp_path}/b.yaml -> {tmp_path}/c/c.yaml -> {tmp_path}/b.yaml"
    assert mistake.where.file == str(tmp_path / "c" / "c.yaml")
    written(tmp_path, {"self.yaml": fleet_text("s", "include: self.yaml, nodes: [{name: a}]")})
    assert mistakes(tmp_path / "self.yaml") == [f"`{tmp_path}/self.yaml` includes itself"]


def test_a_circle_of_files_that_are_all_named_is_one_too(tmp_path):
    written(
        tmp_path,
        {
            "a.yaml": fleet_text("a", "include: b.yaml, nodes: [{name: a}]"),
            "b.yaml": fleet_text("b", "include: a.yaml, nodes: [{name: b}]"),
        },
    )
    assert mistakes(tmp_path) == [f"`{tmp_path}/a.yaml` includes itself"]


def test_what_is_wrong_with_an_include_stands_where_it_is_written(tmp_path):
    written(
        tmp_path,
        {
            "fleet.yaml": fleet_text("f", "include: [nmu.yaml, empty, intent.yaml, bad.yaml], nodes: [{name: a}]"),
            "npu.yaml": NPU,
            "intent.yaml": "apiVersion: aios/v1\nkind: Intent\n",
            "bad.yaml": "name: x\nkind: gpuu\n",
        },
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        read(tmp_path / "fleet.yaml")
    said = [(item.summary, item.where.line, item.remedy) for item in caught.value.diagnostics]
    assert said[0] == (f"there is no file {tmp_path}/nmu.yaml", 4, f"did you mean {tmp_path}/npu.yaml?")
    assert said[1][:2] == (f"folder {tmp_path}/empty holds no .yaml file", 4)
    assert said[2][:2] == (f"`{tmp_path}/intent.yaml` holds neither a fleet nor a device type", 4)
    assert said[3][0] == "`kind` cannot be `gpuu`"
    assert caught.value.diagnostics[3].where.file == str(tmp_path / "bad.yaml")


def test_a_device_that_is_described_in_two_files(tmp_path):
    written(
        tmp_path,
        {
            "fleet.yaml": fleet_text("f", "include: [d1.yaml, d2.yaml], nodes: [{name: a}]"),
            "d1.yaml": NPU,
            "d2.yaml": NPU,
        },
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path / "fleet.yaml")
    (mistake,) = caught.value.diagnostics
    assert (mistake.summary, mistake.where.file) == (
        "device type `my-npu` is described twice",
        str(tmp_path / "d2.yaml"),
    )
    assert mistake.reason == f"first at {tmp_path}/d1.yaml:1:7"


def test_a_chain_without_end_is_refused(tmp_path):
    files = {f"f{n}.yaml": fleet_text("f", f"include: f{n + 1}.yaml, nodes: [{{name: n{n}}}]") for n in range(40)}
    written(tmp_path, files)
    assert mistakes(tmp_path / "f0.yaml") == ["includes lead more than 16 files deep"]


def test_device_files_may_be_named_beside_the_fleet(tmp_path):
    written(
        tmp_path,
        {"fleet.yaml": fleet_text("f", "nodes: [{name: a, devices: [{type: my-npu}]}]"), "npu.yaml": NPU},
    )
    assert set(read(tmp_path).types) == {"my-npu"}
    paths = (str(tmp_path / "npu.yaml"), str(tmp_path / "fleet.yaml"))
    assert set(read_written(Setting(paths=paths)).fleet.types) == {"my-npu"}
    both = Setting(paths=paths[:1], fleet=paths[1])
    assert set(read_written(both).fleet.types) == {"my-npu"}
    (tmp_path / "fleet.yaml").unlink()
    with pytest.raises(InputError, match="there is no fleet that could hold it"):
        read_written(Setting(paths=paths[:1]))


def test_without_a_reader_nothing_is_included():
    text = fleet_text("f", "include: other.yaml, nodes: [{name: a}]")
    with pytest.raises(InputError, match="no files can be included here"):
        compile_fleet(parse(text.encode(), "fleet.yaml"), {}, "fleet.yaml")


def test_the_example_of_a_mixed_fleet_reads_back_from_its_text(tmp_path):
    example = read(root() / "examples" / "mixed-fleet" / "fleet.yaml")
    assert sum(node.count for node in example.nodes) == 34
    text = fleet_file(example, load_catalogue(root() / "hardware"))
    written(tmp_path, {"fleet.yaml": text})
    assert read(tmp_path / "fleet.yaml").digest == example.digest
    assert [line for line in text.splitlines() if line.startswith("    - name: ")][-1] == "    - name: my-npu"
