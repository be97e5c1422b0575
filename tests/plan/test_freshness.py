"""A stale plan says what changed: each fingerprint with both values, and the parts of it that differ, in words."""

import pytest

from aios.plan import basis_of, out_of_time, stale, validity
from aios.plan.basis import short_digest
from aios.records.base import Span
from aios.records.fleet import DeviceType, Fact, Fleet, Node
from aios.records.intent import Goal, Intent, Load, ModelChoice, Requirement
from aios.records.measurement import Measurement, Subject
from aios.records.state import Resource, State

HERE = Span(file="intent.yaml", line=9, column=14)


def bound(metric, text, value):
    return Requirement(metric=metric, bound=value, text=f"{metric} {text}", where=HERE)


def intent(name="read-digits", p99="<= 20 ms", **changes):
    usual = {
        "name": name,
        "task": "image-classification",
        "models": (ModelChoice(name="lite1", path="models/lite1.onnx", where=HERE),),
        "load": Load(rate_per_s=20.0),
        "require": (bound("latency.p99", p99, 0.02),),
        "goal": (Goal(direction="minimize", metric="power"),),
        "where": HERE,
    }
    return Intent.model_validate(usual | changes)


def fleet(*nodes, price=0.8):
    card = DeviceType(name="nvidia-l4", kind="gpu", price_usd_per_h=Fact(value=price, unit="USD/h"))
    return Fleet(name="lab", nodes=nodes, types={"nvidia-l4": card}, digest="sha256:f", origin="fleet.yaml")


N1, N3 = Node(name="n1", cores=8), Node(name="n3", cores=4)


def measurement(digest, as_of):
    subject = Subject(
        kind="service", model=digest, precision="fp32", quantization="none", device="cpu", executor="x", engine="x 1"
    )
    return Measurement(subject=subject, values={}, as_of=as_of)


def resource(planned, plan, at):
    action = next(action for action in planned.actions if action.after is not None)
    return Resource(
        address="chat", executor="dryrun", deployment=action.after, handle={"a": 1}, plan=plan, applied_at=at
    )


def basis(**changes):
    usual = {
        "intents": (intent(),),
        "demands": (),
        "objective": None,
        "fleet": fleet(N1, N3),
        "models": {"model models/lite1.onnx": "sha256:1111111122"},
        "data": {},
        "measurements": {f"sha256:{i}": measurement("sha256:1111111122", "2027-01-01") for i in range(4)},
        "learnt": {},
        "state": State(lineage="mine", serial=4),
        "rules": {},
    }
    return basis_of(**usual | changes)


def told(planned, name, now, places=None):
    plan = planned(made_from=basis())
    value = "new:6" if name == "state" else "sha256:other"
    (found,) = stale(plan, plan.inputs.model_copy(update={name: value}), now, places)
    return found


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("intents", {"intents": (intent(p99="<= 15 ms"),)}, "latency.p99 of read-digits was <= 20 ms, now <= 15 ms"),
        ("intents", {"intents": (intent(), intent("chat"))}, "intent chat is new"),
        ("intents", {"intents": ()}, "intent read-digits is gone"),
        ("intents", {"intents": (intent(priority=3),)}, "priority of read-digits was not stated, now 3"),
        ("fleet", {"fleet": fleet(N1)}, "node n3 is gone"),
        ("fleet", {"fleet": fleet(N1, Node(name="n3", cores=2))}, "cores of node n3 was 4, now 2"),
        (
            "catalogue",
            {"fleet": fleet(N1, N3, price=0.9)},
            "price_usd_per_h of device type nvidia-l4 was 0.8 USD/h, now 0.9 USD/h",
        ),
        (
            "models",
            {"models": {"model models/lite1.onnx": "sha256:22222222"}},
            "model models/lite1.onnx has another content (sha256:11111111, now sha256:22222222)",
        ),
    ],
)
def test_what_changed_is_told_in_words(planned, name, changes, words):
    found = told(planned, name, basis(**changes))
    assert found.reason.startswith(words + "; planned with sha256:")
    assert found.reason.endswith(", now sha256:other")


def test_the_place_of_what_changed_is_named(planned):
    found = told(planned, "intents", basis(intents=(intent(p99="<= 15 ms"),)), {("read-digits", "latency.p99"): HERE})
    assert "now <= 15 ms (intent.yaml:9:14)" in found.reason
    assert found.where == HERE


def test_measurements_are_counted(planned):
    some = {f"sha256:{i}": measurement("sha256:1111111122", f"2027-01-0{1 + (i > 1)}") for i in range(1, 6)}
    found = told(planned, "profiles", basis(measurements=some))
    assert "measurements of model models/lite1.onnx on cpu: 2 new, 2 changed, 1 gone" in found.reason


def test_what_was_applied_in_between_is_told(planned):
    before = planned()
    state = State(
        lineage="mine", serial=6, resources={"chat": resource(before, "sha256:ab12cd34ef", "2027-01-02T10:00:00Z")}
    )
    found = told(planned, "state", basis(state=state))
    assert "chat was created by plan sha256:ab12cd34 at 2027-01-02T10:00:00Z" in found.reason
    assert found.reason.endswith("planned with serial 0 of the state, now serial 6")


def test_few_changes_are_told_and_the_others_counted(planned):
    found = told(planned, "intents", basis(intents=tuple(intent(f"i{n}") for n in range(9))))
    assert "and 5 more changes" in found.reason


def test_a_plan_that_does_not_say_what_it_was_made_from_is_told_of_by_fingerprints(planned):
    plan = planned()
    (found,) = stale(plan, plan.inputs.model_copy(update={"fleet": "sha256:other"}), basis())
    assert found.reason == f"planned with {plan.inputs.fleet}, now sha256:other"


def test_of_very_many_nodes_only_digests_are_kept():
    few, many = (
        basis(fleet=fleet(*(Node(name=f"n{i}", cores=8) for i in range(count))))["fleet"] for count in (500, 501)
    )
    assert few["node n7"] == {"cores": "8"}
    assert few["node n7"] != many["node n7"]
    assert many["node n7"] == {"content": short_digest({"name": "n7", "cores": 8})}


def test_long_and_many_lined_values_are_digests():
    found = basis(intents=(intent(labels={"a": "x" * 121, "b": "one\ntwo", "c": "short"}),))["intents"]["read-digits"]
    assert found["labels.a"].startswith("sha256:")
    assert found["labels.b"].startswith("sha256:")
    assert found["labels.c"] == "short"


def limited(planned):
    from datetime import datetime

    return planned().model_copy(
        update={"valid": validity("2027-03-01T10:00:00Z", datetime.fromisoformat("2027-03-01T14:00:00+02:00"))}
    )


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2027-03-01T09:55:00Z", None),
        ("2027-03-01T11:59:59Z", None),
        ("2027-03-01T12:00:00Z", "has expired"),
        ("2031-01-01T00:00:00Z", "has expired"),
        ("2027-03-01T09:54:59Z", "clock of this machine is behind"),
        ("1970-01-01T00:00:00Z", "clock of this machine is behind"),
    ],
)
def test_a_plan_holds_until_its_expiry_and_says_both_times(planned, now, words):
    found = out_of_time(limited(planned), now)
    assert (found is None) == (words is None)
    if found is not None:
        assert words in found.summary
        assert now in found.reason
        assert ("2027-03-01T12:00:00Z" if "expired" in words else "2027-03-01T10:00:00Z") in found.reason


def test_a_plan_without_expiry_has_no_time_in_it(planned):
    assert planned().valid is None
    assert out_of_time(planned(), "9999-01-01T00:00:00Z") is None
