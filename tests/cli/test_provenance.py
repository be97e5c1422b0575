"""Where a model comes from, asked by an address that stands, by a saved plan, and by the key of what was made."""

from pathlib import Path

MANY = """
---
apiVersion: aios/v1
kind: Intent
metadata: {name: second}
spec:
  task: image-classification
  model: MODEL
  load: {rate: 1/s}
  goal: minimize power
  pin: {precision: fp32, threads: 1, batch: 1, replicas: 1}
"""


def test_a_model_is_found_by_its_plan_its_address_and_its_key(here, fleet, asked, digits):
    pin = "{quantization: static, threads: 1, batch: 1, replicas: 1}"
    data = f"{{calibrate: {digits / 'calibrate.npz'}}}"
    text = asked(pin=pin, data=data).replace("  require:\n    latency: {p99: 5 s}\n    accuracy: {top1: 90 %}\n", "")
    here.write("intent.yaml", text + MANY.replace("MODEL", str(digits / "models" / "digits-m.onnx")))
    planned = here("plan", "intent.yaml", "--fleet", fleet, "-o", "plan.json")
    assert planned.code == 0, planned.err

    early = here("model", "provenance", "plan.json", "digits")
    assert early.code == 1
    assert "the model that digits computes is not among the artefacts" in early.err
    assert "apply the plan" in early.err
    which = here("model", "provenance", "plan.json")
    assert which.code == 1
    assert "which address of plan.json is meant?" in which.err
    wrong = here("model", "provenance", "plan.json", "digit")
    assert wrong.code == 1
    assert "did you mean `digits`?" in wrong.err

    assert here("apply", "plan.json").code == 0
    by_plan = here("model", "provenance", "plan.json", "digits", "--json").json
    assert [entry["transform"] for entry in by_plan["chain"]] == [None, "static"]
    assert here("model", "provenance", "digits", "--json").json == by_plan
    key = Path(by_plan["folder"]).parent.name
    assert here("model", "provenance", key[:12], "--json").json["chain"] == by_plan["chain"]
    untouched = here("model", "provenance", "plan.json", "second", "--json").json
    assert [entry["transform"] for entry in untouched["chain"]] == [None]
    beside = here("model", "provenance", "digits", "second")
    assert beside.code == 1
    assert "digits is no saved plan" in beside.err
