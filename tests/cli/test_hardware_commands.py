"""`aios hardware list|show|compare|diff|import`: what they print, their JSON, their exit codes."""

import io
import json
import re
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from aios.catalogue import root
from aios.cli.app import run
from aios.records.errors import AiosError, InputError, UsageError
from aios.records.fleet import DeviceType
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found
from aios.workflow.importing import find_importer, import_inventory, save_fleet

CATALOGUE = sorted((root() / "hardware").glob("*/*.yaml"))
FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: lab}
spec:
  nodes:
    - {name: a, cpu: 8, devices: [{type: my-npu}]}
    - {name: b, count: 2, cpu: 8, devices: [{type: nvidia-t4}]}
  devices:
    - {name: my-npu, kind: npu, peak: {int8: 4 TOPS}, memory: 8 GB, tdp: 3 W}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("fleet.yaml").write_text(FLEET)


@pytest.fixture
def hardware(capsys):
    """Runs a command in this process; returns what it printed."""

    def command(*arguments, code=0):
        assert run(["hardware", *arguments]) == code
        return capsys.readouterr().out

    return command


def names(printed):
    return [
        line.split()[0] for line in printed.splitlines()[1:] if line.startswith(tuple("abcdefghijklmnopqrstuvwxyz"))
    ]


def test_every_file_of_the_catalogue_is_listed(hardware):
    listed = json.loads(hardware("list", "--json"))["devices"]
    assert [device["name"] for device in listed] == sorted(path.stem for path in CATALOGUE)
    t4 = next(device for device in listed if device["name"] == "nvidia-t4")
    assert t4["peak_ops_per_s"]["int8"]["value"] == 130e12
    assert set(t4["tdp_w"]) == {"value", "unit", "source", "trust", "ref", "as_of"}


def test_filters_combine(hardware):
    def fits(written):
        return (
            written["kind"] in ("gpu", "npu")
            and "int8" in written["peak_ops_per_s"]
            and written["peak_ops_per_s"]["int8"]["value"] >= 100e12
            and written["memory_bytes"]
            and written["memory_bytes"]["value"] >= 16e9
            and written["tdp_w"]
            and written["tdp_w"]["value"] <= 75
        )

    every = json.loads(hardware("list", "--json"))["devices"]
    expected = sorted(device["name"] for device in every if fits(device))
    filters = [
        "--kind",
        "gpu",
        "--kind",
        "npu",
        "--min-peak",
        "int8=100TOPS",
        "--min-memory",
        "16GB",
        "--max-power",
        "75W",
    ]
    printed = hardware("list", *filters)
    assert names(printed) == expected
    assert "nvidia-t4" in expected
    assert printed.splitlines()[0].split() == ["NAME", "KIND", "MEMORY", "BANDWIDTH", "INT8", "TDP"]
    assert f"{len(expected)} devices" in printed


def test_what_is_unknown_shows_and_comes_last(hardware):
    printed = hardware("list", "--fleet", "fleet.yaml", "--kind", "npu", "--sort", "bandwidth")
    row = next(line for line in printed.splitlines() if line.startswith("my-npu"))
    assert row.split() == ["my-npu", "npu", "8", "GB", "?", "?", "?", "4", "TOP/s", "3", "W", "fleet.yaml"]
    known = [
        device["memory_bandwidth_bytes_per_s"]
        for device in json.loads(
            hardware("list", "--fleet", "fleet.yaml", "--kind", "npu", "--sort", "bandwidth", "--json")
        )["devices"]
    ]
    values = [fact["value"] if fact else 0.0 for fact in known]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.0


def test_power_sorts_upwards_and_peak_by_the_named_precision(hardware):
    def listed(*arguments):
        return json.loads(hardware("list", *arguments, "--json"))["devices"]

    power = [device["tdp_w"]["value"] for device in listed("--sort", "power", "--vendor", "nvidia") if device["tdp_w"]]
    assert power == sorted(power)
    peaks = [device["peak_ops_per_s"]["fp64"]["value"] for device in listed("--precision", "fp64", "--sort", "peak")]
    assert peaks == sorted(peaks, reverse=True)
    assert {device["vendor"] for device in listed("--vendor", "NVIDIA")} == {"NVIDIA"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "gpuu"], "did you mean `gpu`"),
        (["--precision", "int9"], "did you mean `int"),
        (["--vendor", "nvidea"], "did you mean `nvidia`"),
        (["--sort", "prise"], "known: name, memory"),
        (["--min-memory", "40"], "such as `40 GiB`"),
        (["--min-memory", "40W"], "a size in bytes"),
        (["--min-peak", "100TOPS"], "int8=100TOPS"),
        (["--min-peak", "int8=100W"], "a compute rate"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(hardware, arguments, said):
    with pytest.raises(UsageError) as refused:
        hardware("list", *arguments)
    item = refused.value.diagnostics[0]
    assert said in f"{item.summary} {item.remedy}"


def test_show_says_every_fact_and_where_it_is_from(hardware):
    printed = hardware("show", "nvidia-t4")
    written = yaml.safe_load((root() / "hardware/nvidia/nvidia-t4.yaml").read_text())
    assert "130 TOP/s" in printed
    assert "memory            " in printed
    assert "16 GB" in printed
    assert written["provenance"]["ref"] in printed
    assert "unknown: " in printed
    assert json.loads(hardware("show", "Tesla T4", "--json"))["name"] == "nvidia-t4"


def test_sparse_rates_parts_and_links_stand_apart(hardware):
    printed = hardware("show", "nvidia-a100-sxm4-80gb")
    lines = {line.rsplit("  ", 4)[0].split("  ")[0]: line for line in printed.splitlines()}
    assert "312 TFLOP/s" in lines["peak fp16"]
    assert "624 TFLOP/s" in lines["sparse peak fp16"]
    assert "40 GB" in lines["partition 3g.40gb memory"]
    assert "300 GB/s" in lines["interconnect nvlink3"]


def test_show_knows_the_parts_of_a_device(hardware):
    shown = json.loads(hardware("show", "nvidia-a100-sxm4-80gb:3g.40gb", "--json"))
    assert (shown["part_of"], shown["memory_bytes"]["value"]) == ("nvidia-a100-sxm4-80gb", 40e9)
    with pytest.raises(InputError, match="no device type `nvidia-a100-sxm4-80gb:5g`") as refused:
        hardware("show", "nvidia-a100-sxm4-80gb:5g")
    assert "`nvidia-a100-sxm4-80gb:3g.40gb`" in refused.value.diagnostics[0].remedy


def test_show_knows_the_devices_of_a_fleet(hardware):
    with pytest.raises(InputError, match="no device type `my-npu`"):
        hardware("show", "my-npu")
    shown = json.loads(hardware("show", "my-npu", "--fleet", "fleet.yaml", "--json"))
    assert shown["own"] is True
    assert shown["unknown"] == ["bandwidth", "idle", "launch overhead", "price to rent", "price to buy"]


def test_a_type_in_place_of_the_catalogues_is_said_to_be_one(hardware, capsys):
    assert "in place of" not in hardware("show", "my-npu", "--fleet", "fleet.yaml")
    assert run(["validate", "--fleet", "fleet.yaml"]) == 0
    assert "in place of" not in capsys.readouterr().out
    Path("own.yaml").write_text(f"{FLEET}    - {{name: nvidia-t4, kind: gpu, from: nvidia-t4, price: 0.35 USD/h}}\n")
    printed = hardware("show", "nvidia-t4", "--fleet", "own.yaml")
    assert re.search("described in +the fleet file, in place of the catalogue's$", printed, re.MULTILINE)
    assert run(["validate", "--fleet", "own.yaml"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "in place of" in line]
    assert line == "device type nvidia-t4: described in the fleet, in place of the catalogue's"
    assert run(["validate", "--fleet", "own.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["overridden"] == ["nvidia-t4"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("nvidia-t44", "nvidia-t4"), ("V100", "nvidia-v100-sxm2-32gb"), ("A100", "nvidia-a100-pcie-80gb")],
)
def test_a_name_that_is_not_one_device_gets_the_near_ones(hardware, name, remedy):
    with pytest.raises(InputError) as refused:
        hardware("show", name)
    assert remedy in refused.value.diagnostics[0].remedy


def test_compare_gives_ratios_and_keeps_what_is_unknown(hardware):
    printed = hardware("compare", "nvidia-t4", "nvidia-l4", "my-npu", "--fleet", "fleet.yaml")
    lines = {line.split("  ")[0]: line for line in printed.splitlines()}
    assert "130 TOP/s" in lines["peak int8"]
    assert "242 TOP/s (1.87x)" in lines["peak int8"]
    assert "4 TOP/s (0.0308x)" in lines["peak int8"]
    assert lines["bandwidth"].rstrip().endswith("?")
    document = json.loads(hardware("compare", "nvidia-t4", "nvidia-l4", "--json"))
    assert document["devices"] == ["nvidia-t4", "nvidia-l4"]
    assert document["facts"]["peak int8"][1]["ratio"] == pytest.approx(242 / 130, rel=0.01)
    with pytest.raises(UsageError, match="two devices or more"):
        hardware("compare", "nvidia-t4")


def test_diff_and_its_exit_codes(hardware):
    Path("after.yaml").write_text(FLEET.replace("count: 2", "count: 3").replace("tdp: 3 W", "tdp: 4 W"))
    reordered = FLEET.splitlines(keepends=True)
    reordered[5], reordered[6] = reordered[6], reordered[5]
    Path("same.yaml").write_text("".join(reordered))
    printed = hardware("diff", "fleet.yaml", "after.yaml", "--detailed-exitcode", code=2)
    assert printed.splitlines() == [
        "~ node class b: 2 -> 3 machines",
        "~ device type my-npu: tdp 3 W -> 4 W",
        "",
        "2 differences",
    ]
    assert hardware("diff", "fleet.yaml", "after.yaml") == printed
    assert hardware("diff", "fleet.yaml", "same.yaml", "--detailed-exitcode") == "no difference\n"
    document = json.loads(hardware("diff", "fleet.yaml", "after.yaml", "--json"))
    assert [change["field"] for change in document["changes"]] == ["machines", "tdp"]
    with pytest.raises(AiosError, match="no file nowhere"):
        hardware("diff", "fleet.yaml", "nowhere.yaml")


class Lines:
    """Reads one machine per line: name, device and how many; a stand-in for what plugins do."""

    name: ClassVar[str] = "lines"
    api_version: ClassVar[int] = 1
    title: ClassVar[str] = "lines"
    example: ClassVar[str] = "a T4 2"
    options: ClassVar[dict[str, str]] = {"cores": "of each machine", "label.X": "column of a label"}

    def read(self, texts, options):
        rows = [line.split() for text in texts.values() for line in text.decode().splitlines()]
        machines = tuple(
            Machine(
                name=name,
                cores=int(options["cores"]) if "cores" in options else None,
                devices=(Found(type=DeviceType(name=device, kind="gpu", identity={"name": device}), count=int(count)),),
                line=number,
            )
            for number, (name, device, count) in enumerate(rows, 1)
        )
        return Inventory(machines=machines, left_out=("a line",))


def imported(text, *, options=None, aliases=None, name=None, files=("-",)):
    return import_inventory(Lines(), files, options or {}, aliases or {}, name, io.BytesIO(text.encode()).read)


def test_an_import_reads_back_and_differs_in_nothing(hardware):
    made = imported("n2 T4 2\nn1 T4 2\nx G2 8\n", options={"cores": "96"}, name="lab")
    save_fleet(Path("made.yaml"), made.text, force=False)
    assert yaml.safe_load(made.text)["metadata"]["name"] == "lab"
    assert "nvidia-t4" not in [device["name"] for device in yaml.safe_load(made.text)["spec"]["devices"]]
    assert [row.written for row in made.assembled.unmatched] == ["G2"]
    assert made.assembled.left_out == ("a line",)
    with pytest.raises(InputError, match="is there already"):
        save_fleet(Path("made.yaml"), made.text, force=False)
    shuffled = imported("x G2 8\nn1 T4 2\nn2 T4 2\n", options={"cores": "96"}).text
    save_fleet(Path("made-again.yaml"), shuffled, force=False)
    assert hardware("diff", "made.yaml", "made-again.yaml") == "no difference\n"


def test_the_fleet_is_called_as_its_file():
    Path("rack7.txt").write_text("a T4 1\n")
    assert imported("", files=("rack7.txt",)).assembled.fleet.name == "rack7"
    assert imported("a T4 1\n").assembled.fleet.name == "lines"


def test_mistakes_of_an_import_are_told():
    with pytest.raises(InputError, match="no option `core`") as refused:
        imported("a T4 1\n", options={"core": "1"})
    assert "cores: of each machine" in refused.value.diagnostics[0].remedy
    imported("a T4 1\n", options={"label.rack": "r"})
    with pytest.raises(InputError, match="two machines called `a`"):
        imported("a T4 1\na T4 1\n")
    with pytest.raises(InputError) as refused:
        imported("", files=("one.txt", "two.txt"))
    assert [item.summary for item in refused.value.diagnostics] == ["one.txt cannot be read", "two.txt cannot be read"]
    with pytest.raises(InputError, match="no importer reads `slrum`") as refused:
        find_importer("slrum")
    assert "did you mean `slurm`" in refused.value.diagnostics[0].remedy


def test_the_command_line_of_an_import(hardware):
    with pytest.raises(UsageError, match="no file"):
        hardware("import", "inventory")
    with pytest.raises(UsageError, match="WRITTEN=TYPE"):
        hardware("import", "inventory", "x.csv", "--as", "G2")
    with pytest.raises(UsageError, match="NAME=VALUE"):
        hardware("import", "inventory", "x.csv", "--option", "=2")


def test_an_importer_that_does_not_load_hides_no_other(aios):
    aios.write("broken_importer.py", "import a_package_that_is_not_there\n")
    aios.write("broken-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    aios.write("broken-1.0.dist-info/entry_points.txt", "[aios.importers]\nbroken = broken_importer:Importer\n")
    listed = aios.apart("hardware", "import", PYTHONPATH=str(aios.place))
    assert listed.code == 0
    assert "inventory: " in listed.out
    why = "plugin 'broken' (broken_importer:Importer) does not load: No module named 'a_package_that_is_not_there'"
    assert f"broken: cannot be used: {why}" in listed.out.splitlines()
    document = json.loads(aios.apart("hardware", "import", "--json", PYTHONPATH=str(aios.place)).out)
    assert document["broken"] == {"broken": why}
    aios.write("list.csv", LIST)
    assert aios.apart("hardware", "import", "inventory", "list.csv", PYTHONPATH=str(aios.place)).code == 0
    refused = aios.apart("hardware", "import", "broken", "list.csv", PYTHONPATH=str(aios.place))
    assert refused.code == 6
    assert why in refused.err


LIST = "name,cpus,memory_gib,gpu_model,gpus\nn1,96,384,Tesla T4,2\nn2,96,384,Tesla T4,2\nx,8,64,G2,8\n"


def test_an_import_from_end_to_end(aios):
    printed = aios("hardware", "import", "inventory", "-", "--name", "lab", stdin=LIST)
    assert printed.code == 0
    assert yaml.safe_load(printed.out)["spec"]["nodes"][0]["hosts"] == "n[1-2]"
    assert "3 machines in 2 classes, 12 devices" in printed.err
    assert "G2: no device type is called so" in printed.err
    aios.write("list.csv", LIST)
    written = aios("hardware", "import", "inventory", "list.csv", "-o", "made.yaml", "--strict", "--json")
    assert written.code == 1
    assert [(row["written"], row["devices"]) for row in written.json["unmatched"]] == [("G2", 8)]
    assert list(written.json) == ["fleet", "matched", "unmatched", "notes", "left_out"]
    before = (aios.place / "made.yaml").read_text()
    again = aios("hardware", "import", "inventory", "list.csv", "-o", "made.yaml", "--as", "G2=nvidia-a10")
    assert (again.code, again.out) == (1, "")
    assert "made.yaml is there already" in again.err
    assert (aios.place / "made.yaml").read_text() == before
    decided = aios(
        *("hardware", "import", "inventory", "list.csv", "-o", "made.yaml", "--force", "--strict"),
        *("--as", "G2=nvidia-a10"),
    )
    assert (decided.code, decided.out) == (0, "")
    assert "nvidia-a10" in (aios.place / "made.yaml").read_text()


def test_help_names_the_commands_with_examples(hardware):
    shown = hardware("--help")
    for command in ("list", "show", "compare", "diff", "import", "discover", "topology"):
        assert f"\n  {command} " in shown
        assert "Example: " in hardware(command, "--help")


def test_a_wrong_word_ends_with_the_code_of_a_wrong_command_line(aios):
    refused = aios("hardware", "list", "--sort", "size", "--json")
    assert refused.code == 64
    assert json.loads(refused.out)["exit_code"] == 64
