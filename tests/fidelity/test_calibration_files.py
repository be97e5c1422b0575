import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from aios.fidelity.keeping import calibration_text, divided, file_name, merged, read_calibration, rounded
from aios.records.calibration import Calibration, Effect, LearntError, Provenance, Residual, Stage
from aios.records.errors import InputError
from aios.records.observation import Observations
from aios.workflow.calibrations import Relevant, load_calibrations


def learnt(version=1):
    def stage(keys, *effects):
        return Stage(keys=keys, effects=tuple(Effect(group=g, rows=n, constant=c, terms=t) for g, n, c, t in effects))

    return Calibration(
        predictor="network",
        metric="latency.mean",
        version=version,
        features={"macs": (20.123456789, 1.5, 10.0, 30.0)},
        mixes=(stage((), ((), 99, 0.0, {"gemm": 1.25})),),
        stages=(
            stage((), ((), 99, 1 / 3, {"macs": 0.1, "macs * macs": -0.01})),
            stage(("device",), (("a",), 50, 0.5, {"macs": 0.2}), (("b",), 49, -0.5, {})),
            stage(("device", "setting"), (("a", "on: x, y"), 30, 0.1, {}), (("b", "null"), 30, 0.2, {})),
            stage(("model",), (("resnet50",), 40, 0.01, {}), (("rare",), 2, 0.9, {})),
            stage(("device", "model"), (("a", "resnet50"), 1, 0.7, {})),
        ),
        spread={"constant": 0.0, "macs": 0.25},
        residuals=(
            Residual(level="zero-shot", stratum="", low=-0.5, high=0.6, rows=99),
            Residual(level="profiled", stratum="", low=-0.1, high=0.1, rows=99),
        ),
        errors=(LearntError(level="zero-shot", table="", rows=99, median=0.2, p90=0.5, bias=0.0),),
        provenance=(Provenance(table="cnn/x.csv", digest="sha256:0", rows=99, source="a; b: 'c'", licence="MIT"),),
    )


def of_now():
    """Return the same under names that the predictor has now, whatever they are."""
    from aios.cost.predictors import predictor

    known = predictor("network")
    row = Observations(
        table="", predictor="network", metric="latency.mean", unit="s", words={}, numbers={},
        types=np.array([""]), families=np.array([""]), lines=np.array([1]), values=np.array([1.0]),
    )  # fmt: skip
    design = known.design(row, {})
    feature, part = next(iter(design.features)), next(iter(design.parts))
    text = calibration_text(learnt(known.version)).replace("macs", feature).replace("gemm", part)
    return read_calibration(text.encode(), "x.yaml")


def test_a_file_gives_back_what_was_written_to_four_digits():
    text = calibration_text(learnt())
    back = read_calibration(text.encode(), "x.yaml")
    assert back == rounded(learnt())
    assert back.features["macs"][0] == 20.12
    assert calibration_text(back) == text


def test_makers_are_kept_and_change_nothing_where_there_are_none():
    made = learnt().model_copy(update={"makers": {"npu|chain||inference": ("Hailo", "Qualcomm")}})
    assert read_calibration(calibration_text(made).encode(), "x.yaml").makers == made.makers
    shared, *_ = divided(made, {"a": 50})
    assert shared.makers == made.makers
    assert "makers" not in learnt().model_dump(mode="json")
    assert "makers" not in calibration_text(learnt())


def test_zeros_that_say_something_are_written():
    nothing = LearntError(level="zero-shot", table="", rows=0, median=0.0, p90=0.0, bias=0.0, coverage=0.0)
    base = Provenance(table="x", digest="sha256:0", rows=0)
    zeros = learnt().model_copy(update={"errors": (nothing,), "provenance": (base,)})
    assert read_calibration(calibration_text(zeros).encode(), "x.yaml") == rounded(zeros)


def test_what_is_written_is_json_and_block_style_is_read_as_well():
    text = calibration_text(learnt())
    assert json.loads(text)["spec"]["stages"][1]["keys"] == ["device"]
    block = yaml.safe_dump(json.loads(text))
    assert read_calibration(block.encode(), "x.yaml") == rounded(learnt())


def test_effects_stand_one_a_line_so_that_differences_are_read():
    before = calibration_text(learnt()).splitlines()
    changed = learnt().model_copy(update={"spread": {"constant": 0.0, "macs": 0.5}})
    after = calibration_text(changed).splitlines()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_shared_and_devices_apart_and_together_again():
    shared, a, b = divided(learnt(), {"a": 50, "b": 49})
    assert [file_name(item) for item in (shared, a, b)] == [
        "network-latency.mean.yaml",
        "network-latency.mean-a.yaml",
        "network-latency.mean-b.yaml",
    ]
    assert [stage.keys for stage in shared.stages] == [(), ("model",)]
    assert [effect.group for effect in shared.stages[1].effects] == [("resnet50",)]
    assert [stage.keys for stage in a.stages] == [("device",), ("device", "setting")]
    together, remarks = merged(shared, [a, b])
    assert remarks == ()
    found = {(stage.keys, effect.group): effect.constant for stage in together.stages for effect in stage.effects}
    assert found[("device",), ("b",)] == -0.5
    assert found[("device", "setting"), ("a", "on: x, y")] == 0.1
    assert not any({"device", "model"} <= set(stage.keys) for stage in together.stages)


def test_what_was_learnt_on_top_of_something_else_is_left_aside():
    shared, a, _ = divided(learnt(), {"a": 50, "b": 49})
    moved = shared.model_copy(update={"spread": {"constant": 1.0}})
    together, remarks = merged(moved, [a])
    assert len(remarks) == 1
    assert together == moved


def test_files_are_read_when_asked_for_and_other_versions_are_not_used(tmp_path):
    for item in divided(of_now(), {"a": 50, "b": 49}):
        (tmp_path / file_name(item)).write_text(calibration_text(item))
    (tmp_path / "network-power.yaml").write_text("broken: [")
    told = []
    known = load_calibrations([tmp_path], told.append)
    assert ("network", "latency.mean") in set(known)
    only_a = known.of("network", "latency.mean", ["a"])
    groups = {effect.group[0] for stage in only_a.stages if "device" in stage.keys for effect in stage.effects}
    assert groups == {"a"}
    assert told == []
    with pytest.raises(InputError):
        known.shared("network", "power")
    old = tmp_path / "old"
    old.mkdir()
    version = of_now().version + 1
    for item in divided(of_now().model_copy(update={"version": version}), {"a": 50, "b": 49}):
        (old / file_name(item)).write_text(calibration_text(item))
    assert load_calibrations([old], told.append).of("network", "latency.mean") is None
    assert len(told) == 1, "three files have the same reason"
    assert f"of version {version} of the predictor network, which is at {version - 1}" in told[0]


def test_what_a_plan_may_need_is_told_apart_by_its_files_and_read_when_it_is_asked_for(tmp_path):
    for item in divided(of_now(), {"a": 50, "b": 49}):
        (tmp_path / file_name(item)).write_text(calibration_text(item))
    (tmp_path / "network-power.yaml").write_text("broken: [")
    known = load_calibrations([tmp_path], [].append)
    key = ("network", "latency.mean")
    needed = Relevant(known, [key, ("network", "throughput")], ["a"])
    assert set(needed.digests()) == {"network-latency.mean.yaml", "network-latency.mean-a.yaml"}
    assert list(needed) == [key]
    assert needed[key] == known.of(*key, ["a"])
    assert needed.get(("network", "throughput")) is None
    assert ("network", "power") not in needed, "it is none of those that may be asked for"
    before = needed.digests()
    (tmp_path / "network-latency.mean-a.yaml").write_text("# changed")
    assert Relevant(known, [key], ["a"]).digests() != before
    assert Relevant(known, [key], ["b"]).digests().keys() == {
        "network-latency.mean.yaml",
        "network-latency.mean-b.yaml",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind": "Calibration"', '"kind": "Table"'),
        ('"metric": ', '"metrik": '),
        ('"version": 1', '"version": "new"'),
        ('"version": 1', '"version": 1, "version": 1'),
        ('"apiVersion"', "[" * 5000 + '"apiVersion"'),
    ],
)
def test_damaged_files_are_refused_with_a_place(old, new):
    text = calibration_text(learnt())
    assert old in text
    with pytest.raises(InputError) as caught:
        read_calibration(text.replace(old, new).encode(), "x.yaml")
    assert caught.value.diagnostics[0].where.line > 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"features": {"colour": (0.0, 1.0, 0.0, 1.0)}}, "has no feature or part called colour"),
        ({"spread": {"constant": 0.0, "colour": 1.0}}, "has no feature or part called colour"),
        ({"stages": (Stage(keys=("colour",), effects=()),)}, "learns nothing by colour"),
        ({"mixes": (Stage(keys=(), effects=(Effect(group=(), rows=1, terms={"x": 1.0}),)),)}, "part called x"),
        ({"stages": (Stage(keys=(), effects=(Effect(group=(), rows=1, terms={"x * y": 1.0}),)),)}, "called x"),
        ({"metric": "throughput"}, "what it holds is called network-throughput.yaml"),
        ({"predictor": "networks"}, "there is no predictor networks"),
        ({"metric": "accuracy_change"}, "network does not predict accuracy_change"),
    ],
)
def test_what_its_predictor_does_not_understand_is_told_and_not_used(tmp_path, changed, reason):
    (tmp_path / "network-latency.mean.yaml").write_text(calibration_text(of_now().model_copy(update=changed)))
    told = []
    assert load_calibrations([tmp_path], told.append).of("network", "latency.mean") is None
    assert len(told) == 1
    assert reason in told[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[20.12, 1.5, 10.0, 30.0]", "[20.12, 0.0, 10.0, 30.0]", "a deviation above zero"),
        ("[20.12, 1.5, 10.0, 30.0]", "[20.12, 1.5, 40.0, 30.0]", "no least above its most"),
        ('["a", "on: x, y"]', '["a"]', "as many names"),
        ('{"gemm": 1.25}', '{"gemm": -1.25}', "not below zero"),
        ('"constant": 0.5', '"constant": 5000.0', "none is beyond 50"),
        ('"constant": 0.5', '"constant": Infinity', "finite number, not `Infinity`"),
        ('"constant": 0.5', '"constant": "fast"', "number"),
    ],
)
def test_what_no_rows_can_have_taught_is_refused_with_its_place(old, new, said):
    text = calibration_text(learnt())
    assert old in text
    with pytest.raises(InputError) as caught:
        read_calibration(text.replace(old, new).encode(), "x.yaml")
    (wrong,) = caught.value.diagnostics
    assert said in f"{wrong.summary} {wrong.reason} {wrong.remedy}"
    assert wrong.where.line == 1 + text[: text.index(old)].count("\n")


def test_a_file_that_was_cut_off_is_refused():
    text = calibration_text(learnt())
    lines = text.splitlines(keepends=True)
    for end in range(len(lines) - 1):
        for cut in ("".join(lines[:end]), "".join(lines[:end]) + lines[end][: len(lines[end]) // 2]):
            with pytest.raises(InputError) as caught:
                read_calibration(cut.encode(), "x.yaml")
            assert all(item.where is not None for item in caught.value.diagnostics), cut
    with pytest.raises(InputError):
        read_calibration(b"\x00" * 1000, "x.yaml")


def test_terms_too_small_to_matter_are_left_out_and_their_groups_stay():
    small = learnt().stages[1].effects[0].model_copy(update={"constant": 1e-4, "terms": {"macs": 1e-5, "x": 0.3}})
    stages = (learnt().stages[0], Stage(keys=("device",), effects=(small,)))
    _, a = divided(learnt().model_copy(update={"stages": stages}), {"a": 50})
    assert a.stages[0].effects == (Effect(group=("a",), rows=50, constant=0.0, terms={"x": 0.3}),)
    assert "constant" not in next(line for line in calibration_text(a).splitlines() if '"group": ["a"]' in line)


def test_intervals_of_a_device_stand_in_its_own_file():
    own = Residual(level="calibrated", stratum="device a", low=-0.2, high=0.3, rows=50)
    whole = learnt().model_copy(update={"residuals": (*learnt().residuals, own)})
    shared, a, b = divided(whole, {"a": 50, "b": 49})
    assert [item.level for item in shared.residuals] == ["zero-shot"]
    assert a.residuals == (own,)
    assert b.residuals == ()
    assert own in merged(shared, [a, b])[0].residuals


WRITER = """
import sys
from pathlib import Path
from aios.workflow.saving import save
while True:
    for letter in "ab":
        save(Path(sys.argv[1]), letter * 2_000_000)
        print("x", flush=True)
"""


def test_killed_while_writing_leaves_a_whole_file(tmp_path):
    path = tmp_path / "c.yaml"
    for delay in (0.0, 0.003, 0.01):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            time.sleep(delay)
            os.kill(child.pid, signal.SIGKILL)
        text = path.read_text()
        assert text in ("a" * 2_000_000, "b" * 2_000_000)


def in_folder(folder, *items):
    folder.mkdir()
    for item in items:
        (folder / file_name(item)).write_text(calibration_text(item))
    return folder


def of_rows(learnt, rows):
    (source,) = learnt.provenance
    return learnt.model_copy(update={"provenance": (source.model_copy(update={"rows": rows}),)})


def constants(known):
    found = known.of("network", "latency.mean", ["a"])
    stages = [stage for stage in found.stages if stage.keys == ("device",)]
    return [effect.constant for stage in stages for effect in stage.effects]


def slower(item):
    text = calibration_text(item).replace('"constant": 0.5', '"constant": 0.75')
    return read_calibration(text.encode(), "x.yaml")


@pytest.mark.parametrize(("rows", "used"), [(98, 0.5), (100, 0.75)])
def test_of_two_shared_calibrations_the_one_of_more_rows_is_used_with_its_devices(tmp_path, rows, used):
    ships = in_folder(tmp_path / "ships", *divided(of_now(), {"a": 50, "b": 49}))
    own = in_folder(tmp_path / "own", *divided(slower(of_rows(of_now(), rows)), {"a": 50}))
    told = []
    assert constants(load_calibrations([ships, own], told.append)) == [used]
    left_out = own if rows < 99 else ships
    assert any(f"{left_out}/network-latency.mean.yaml and what was learnt on top" in line for line in told)


def test_own_rows_of_a_device_go_before_those_that_ship(tmp_path):
    ships = in_folder(tmp_path / "ships", *divided(of_now(), {"a": 50, "b": 49}))
    own = in_folder(tmp_path / "own", slower(divided(of_now(), {"a": 50})[1]))
    told = []
    assert constants(load_calibrations([ships, own], told.append)) == [0.75]
    assert told == []


def test_where_an_own_file_cannot_be_used_what_ships_is_and_it_is_told(tmp_path):
    shared, a, _ = divided(of_now(), {"a": 50, "b": 49})
    ships = in_folder(tmp_path / "ships", shared, a)
    own = in_folder(tmp_path / "own", a.model_copy(update={"version": a.version + 1}))
    told = []
    known = load_calibrations([ships, own], told.append)
    assert constants(known) == [0.5]
    assert [str(own / "network-latency.mean-a.yaml") in line for line in told] == [True]
    before = known.digests([("network", "latency.mean")], ["a"])
    (own / "network-latency.mean-a.yaml").write_text("# changed")
    assert load_calibrations([ships, own], told.append).digests([("network", "latency.mean")], ["a"]) != before


def test_other_files_beside_calibrations_are_told_and_not_used(tmp_path):
    (tmp_path / "network-latency.mean.yaml").write_text(calibration_text(learnt()))
    for name in ("notes.yaml", "boards.table.yaml", "network-speed.yaml"):
        (tmp_path / name).write_text("anything: [")
    told = []
    known = load_calibrations([tmp_path], told.append)
    assert list(known) == [("network", "latency.mean")]
    assert len(known) == 1
    assert sorted(line.split(" is not called")[0].rpartition("/")[2] for line in told) == [
        "boards.table.yaml",
        "network-speed.yaml",
        "notes.yaml",
    ]
