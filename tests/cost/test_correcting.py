"""Corrections: a known law is found again; they are used only where they help, and widen beyond what was measured."""

import math

import numpy as np
import pytest

from aios.cost.correcting.amounts import amounts_of
from aios.cost.correcting.knowing import corrected_call
from aios.cost.correcting.pacing import paced_s, usual_s
from aios.cost.correcting.predict import Call, corrected, posterior
from aios.cost.evidence import Evidence, Library
from aios.records.candidate import Candidate
from aios.records.correction import Correction
from aios.records.measurement import RELATIVE, Measured, Measurement, subject_of
from aios.records.model import ModelProfile, Operator, TensorSpec

MACS_S, KERNEL_S = 2e-10, 5e-6


def profile(number, macs, operators):
    convolution = Operator(
        kind="Conv", count=operators, flops=2 * macs / operators, weight_bytes=4e4, input_bytes=4e4, output_bytes=4e4
    )
    return ModelProfile(
        name=f"m{number}", digest=f"sha256:{number:04}", format="onnx", file_bytes=1,
        inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", 3)),), outputs=(), precision="fp32",
        parameters=int(1e4 * operators), weight_bytes=4e4 * operators, macs=macs, flops=2 * macs, activation_bytes=8e4,
        operators=(convolution,), batch_axis=0,
        work={"convolution_macs": macs, "convolution_values": 2e4 * operators, "kernels": operators,
              "weights": 1e4 * operators},
    )  # fmt: skip


def true_s(model, call):
    threads = 0.2 + 0.8 / call.threads
    return MACS_S * model.macs * call.batch * threads + KERNEL_S * sum(item.count for item in model.operators)


def rows(count=14, noise=0.02, without=3.0):
    from aios.cost.correcting.learn import Row

    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        model = profile(number, float(10 ** random.uniform(6.5, 8.5)), int(random.integers(5, 60)))
        for call in (Call("fp32", 1, 1), Call("fp32", 2, 4), Call("fp32", 1, 8)):
            measured = true_s(model, call) * math.exp(noise * random.standard_normal())
            plain = measured * without
            ends = (plain / 2, plain, plain * 2)
            found.append(Row(model, call, measured, plain, ends, ends, model.digest))
    return found


@pytest.fixture(scope="module")
def learnt():
    pytest.importorskip("sklearn", reason="the extra `learning` is not installed")
    from aios.cost.correcting.learn import learn

    return learn("cpu-x", "onnxruntime", "onnxruntime 1", rows(), "sha256:rows")


def test_a_known_law_is_found_again(learnt):
    assert learnt.base == "operators"
    assert learnt.models.used
    assert learnt.settings.used
    assert learnt.models.before.median == pytest.approx(2.0, abs=0.01)  # three times what was measured
    assert learnt.models.after.median < 0.05
    assert learnt.models.after.coverage == pytest.approx(0.9, abs=0.05)
    model, call = profile(99, 5e7, 20), Call("fp32", 2, 2)
    found = corrected(learnt, model, call, [], lambda _call: None)
    assert found.value == pytest.approx(true_s(model, call), rel=0.1)
    assert found.low < true_s(model, call) < found.high


def test_the_same_rows_in_any_order_give_the_same_bytes(learnt):
    from aios.cost.correcting.learn import learn

    again = learn("cpu-x", "onnxruntime", "onnxruntime 1", rows()[::-1], "sha256:rows")
    assert again.model_dump_json() == learnt.model_dump_json()


def test_what_is_no_better_is_not_used():
    pytest.importorskip("sklearn", reason="the extra `learning` is not installed")
    from aios.cost.correcting.learn import learn

    found = learn("cpu-x", "onnxruntime", "onnxruntime 1", rows(without=1.0), "sha256:rows")
    assert not found.models.used  # what plans say without it is exact
    assert corrected(found, profile(99, 5e7, 20), Call("fp32", 1, 1), [], lambda _call: None) is None


def test_too_little_teaches_nothing():
    pytest.importorskip("sklearn", reason="the extra `learning` is not installed")
    from aios.cost.correcting.learn import learn

    assert learn("cpu-x", "onnxruntime", "onnxruntime 1", rows(2), "sha256:rows") is None


def test_beyond_what_was_measured_the_interval_widens(learnt):
    def width(macs):
        found = corrected(learnt, profile(99, macs, 20), Call("fp32", 1, 1), [], lambda _call: None)
        return found.high / found.low

    assert width(5e7) == pytest.approx(width(6e7))
    assert width(5e9) > 1.5**0.01 * width(5e7)
    assert width(5e10) >= width(5e9)


def test_a_precision_that_nobody_measured_is_not_predicted(learnt):
    def told(precision):
        return corrected(learnt, profile(99, 5e7, 20), Call(precision, 1, 1), [], lambda _call: None)

    assert told("int8-static") is None
    assert told("fp32+level=basic") == told("fp32")  # a choice, in the same kernels


def test_the_posterior_is_that_of_hand():
    # One other setting of the model in another precision: covariance 0.3, variance of it 0.3 + 0.2 + 0.1 + 0.4 = 1.0.
    variances = {"model": 0.3, "precision": 0.2, "setting": 0.1, "noise": 0.4}
    mean, deviation = posterior(variances, Call("fp32", 1, 1), [(Call("int8-static", 1, 1), 0.5)])
    assert mean == pytest.approx(0.15)
    assert deviation == pytest.approx(math.sqrt(1.0 - 0.09))
    # Further off than models are: what it shares counts as wide as that, 2 ** 2, and the variances are 4.7.
    mean, deviation = posterior(variances, Call("fp32", 1, 1), [(Call("int8-static", 1, 1), 2.0)])
    assert mean == pytest.approx(2.0 * 4.0 / 4.7)
    assert deviation == pytest.approx(math.sqrt(4.7 - 16.0 / 4.7))
    mean, deviation = posterior(variances, Call("fp32", 1, 1), [])
    assert (mean, deviation) == (0.0, pytest.approx(1.0))


def test_amounts_grow_with_the_batch_and_share_weights():
    one, four = amounts_of(profile(1, 1e6, 5), 1, 1), amounts_of(profile(1, 1e6, 5), 4, 2)
    assert four["Conv started"] == one["Conv started"] == 5
    # Four times as much on two threads: half of it each, and half of it besides where threads take nothing away.
    assert four["Conv work"] == four["Conv work held"] == 2 * one["Conv work"]


def test_on_several_threads_they_are_woken_for_every_operator():
    one, two = amounts_of(profile(1, 1e6, 5), 1, 1), amounts_of(profile(1, 1e6, 5), 1, 2)
    assert "woken" not in one
    assert not [name for name in one if name.endswith("held")]
    assert two["woken"] == 6  # five operators and the call


def test_a_kernel_that_nobody_measured_takes_what_every_kernel_takes():
    strange = Operator(kind="Strange", count=2, flops=0, weight_bytes=0, input_bytes=4e3, output_bytes=8e3)
    product = Operator(
        kind="Conv", count=1, flops=1.0, weight_bytes=4.0, input_bytes=4e3, output_bytes=4.0 * 100 * 32,
        form=(32, 32, 1, 1),
    )  # fmt: skip
    model = profile(1, 1e6, 5).model_copy(update={"operators": (strange, product)})
    found = amounts_of(model, 3, 1)
    assert found["any moved"] == 2 * 3 * (1e3 + 2e3)
    assert found["any macs"] == found["pointwise macs"] == 3 * 100 * 32 * 32


def test_what_is_fused_for_nothing_asks_for_nothing():
    def asked(kind):
        operator = Operator(
            kind=kind, count=1, flops=1e5, weight_bytes=0, input_bytes=4e5, output_bytes=4e5, fused=True
        )
        return amounts_of(profile(1, 1e6, 5).model_copy(update={"operators": (operator,)}), 1, 1)

    assert asked("Relu") == asked("Clip") == {"calls": 1.0}
    assert asked("Sigmoid")["fused Sigmoid work"] == 1e5


def test_amounts_of_a_convolution_by_hand():
    # 3 x 3 from 24 to 40 channels on 10 x 10 positions: 40 channels are 3 registers of 16 lanes.
    operator = Operator(
        kind="Conv", count=2, flops=2 * 100 * 40 * 216, weight_bytes=4 * 24 * 40 * 9, input_bytes=4 * 2400,
        output_bytes=4 * 4000, form=(24, 40, 9, 1),
    )  # fmt: skip
    plain = profile(1, 1e6, 5)
    found = amounts_of(plain.model_copy(update={"operators": (operator,)}), 3, 1)
    assert found["convolution macs"] == 2 * 3 * 100 * 216 * 48
    assert found["convolution weights"] == 2 * 24 * 40 * 9
    assert found["convolution gathered"] == 2 * 3 * 100 * 216
    assert (found["convolution read"], found["convolution written"]) == (2 * 3 * 2400, 2 * 3 * 4000)
    assert found["convolution started"] == 2


@pytest.mark.parametrize(
    ("form", "kernel"),
    [
        ((32, 64, 1, 1), "pointwise"),
        ((32, 62, 1, 1), "odd pointwise"),
        ((3, 32, 9, 1), "thin"),
        ((32, 32, 9, 32), "depthwise"),
        ((40, 40, 9, 40), "ragged depthwise"),
        ((64, 64, 9, 4), "grouped"),
    ],
)
def test_operators_are_told_apart_by_the_kernels_that_runtimes_have(form, kernel):
    operator = Operator(
        kind="Conv", count=1, flops=1.0, weight_bytes=4.0, input_bytes=4e3, output_bytes=4.0 * 100 * form[1], form=form
    )
    found = amounts_of(profile(1, 1e6, 5).model_copy(update={"operators": (operator,)}), 1, 1)
    assert found[f"{kernel} started"] == 1


def test_chains_of_one_operator_teach_but_are_not_judged_by():
    pytest.importorskip("sklearn", reason="the extra `learning` is not installed")
    from aios.cost.correcting.learn import learn

    chains = [row._replace(group=None, measured_s=row.measured_s) for row in rows(20)]
    networks = [row._replace(group="sample-") for row in rows(6)]
    found = learn("cpu-x", "onnxruntime", "onnxruntime 1", chains + networks, "sha256:rows")
    assert found.rows == 78
    assert found.models.after.rows == 18  # the networks, by what chains alone teach
    assert learn("cpu-x", "onnxruntime", "onnxruntime 1", chains, "sha256:rows") is None


def test_before_and_after_are_of_the_same_rows_and_no_row_says_how_wide_its_own_interval_is():
    pytest.importorskip("sklearn", reason="the extra `learning` is not installed")
    from aios.cost.correcting.learn import learn

    known = rows(20)
    half = [row._replace(without_model_s=None) if index % 2 else row for index, row in enumerate(known)]
    found = learn("cpu-x", "onnxruntime", "onnxruntime 1", half, "sha256:rows")
    assert found.models.before.rows == found.models.after.rows == 30
    assert found.settings.before.rows == found.settings.after.rows == 60
    # One model takes ten times as long as its work says: nothing in the others makes room for that.
    odd = known[0].profile.digest
    slow = [row._replace(measured_s=10 * row.measured_s) if row.profile.digest == odd else row for row in known]
    found = learn("cpu-x", "onnxruntime", "onnxruntime 1", slow, "sha256:rows")
    assert found.models.after.coverage < 0.97


def test_a_pruned_network_says_nothing_of_the_whole_one(learnt):
    model = profile(7, 5e7, 20)
    plain = Candidate(
        id="c", intent="a", model="m7", model_digest=model.digest, device="cpu-x", nodes=("n",), executor="onnxruntime",
        precision="fp32", threads=1,
    )  # fmt: skip

    def time_of(candidate, seconds):
        value = Measured(value=seconds, low=seconds, high=seconds, unit="s", n=1, meter="made up")
        subject = subject_of("service", candidate, engine=learnt.engine)
        return Measurement(subject=subject, values={"time": value}, as_of="2026-01-01T00:00:00Z")

    def told(*measured):
        evidence = Evidence(
            measurements={item.subject.digest: item for item in measured},
            engines={"onnxruntime": learnt.engine},
            corrections={("cpu-x", "onnxruntime"): learnt},
        )
        return corrected_call(Library(evidence), plain, model, 8, lambda *_asked: None).time

    pruned = plain.model_copy(update={"compression": "prune", "settings": {"keep": "0.5"}})
    fast = true_s(model, Call("fp32", 1, 1)) / 4
    assert told(time_of(pruned, fast)) == told()
    assert told(time_of(plain, fast)).value < 0.9 * told().value  # of the whole one a time moves the others


def test_times_are_told_at_the_pace_that_the_reference_usually_has():
    def item(threads, time, relative=None):
        candidate = Candidate(
            id="c", intent="a", model="m", model_digest="sha256:m", device="cpu-x", nodes=("n",),
            executor="onnxruntime", precision="fp32", threads=threads,
        )  # fmt: skip
        values = {"time": Measured(value=time, low=time, high=time, unit="s", n=1, meter="made up")}
        if relative is not None:
            values[RELATIVE] = Measured(value=relative, low=relative, high=relative, unit="1", n=9, meter="made up")
        subject = subject_of("service", candidate, engine="onnxruntime 1")
        return Measurement(subject=subject, values=values, as_of="2026-01-01T00:00:00Z")

    measured = [item(1, 6.0, 3.0), item(1, 9.0, 3.0), item(1, 8.0, 2.0), item(2, 4.0, 4.0), item(1, 100.0)]
    usual = usual_s(measured)
    assert usual == {1: 3.0, 2: 1.0}  # the middle of 2, 3 and 4; what stood beside no reference says nothing
    assert [paced_s(each, usual) for each in measured] == [9.0, 9.0, 6.0, 4.0, 100.0]
    assert paced_s(item(8, 5.0, 2.0), usual) == 5.0  # on eight threads it is not known
    assert usual_s([item(1, 5.0, 0.0)]) == {}  # a file that somebody changed


def test_a_correction_of_another_version_is_not_read(learnt):
    other = Correction.model_validate({**learnt.model_dump(), "version": 99})
    assert corrected(other, profile(99, 5e7, 20), Call("fp32", 1, 1), [], lambda _call: None) is None


def test_an_amount_that_one_model_alone_has_gets_no_rate():
    pytest.importorskip("sklearn", reason="the extra `learning` is not installed")
    from aios.cost.correcting.learn import learn

    known = rows(20)
    rare = Operator(kind="Rare", count=1, flops=1, weight_bytes=0, input_bytes=4, output_bytes=4)

    def with_rare(row):
        changed = row.profile.model_copy(update={"operators": (*row.profile.operators, rare)})
        return row._replace(profile=changed, measured_s=3 * row.measured_s)

    def rates(count):
        having = sorted({row.profile.digest for row in known})[:count]
        changed = [with_rare(row) if row.profile.digest in having else row for row in known]
        return learn("cpu-x", "onnxruntime", "onnxruntime 1", changed, "sha256:rows").rates["fp32"]

    assert not [name for name in rates(1) if name.startswith("Rare")]
    assert [name for name in rates(4) if name.startswith("Rare")]
