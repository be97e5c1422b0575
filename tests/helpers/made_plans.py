"""Plans written by hand: a deployment, a claim, an action, and a document around them."""

from aios.plan.document import with_id
from aios.records.candidate import Estimate
from aios.records.plan import Action, Claim, Deployment, Inputs, Plan, SolverNote
from aios.records.selection import Placement


def deployment(name="digits", **changes):
    usual = {
        "intent": name,
        "task": "t",
        "model": "m",
        "model_path": "m.onnx",
        "model_digest": "sha256:0",
        "precision": "fp32",
        "quantization": "none",
        "device": "cpu",
        "device_kind": "cpu",
        "batch": 1,
        "max_delay_s": 0.0,
        "threads": 1,
        "replicas": 1,
        "executor": "dryrun",
        "placement": (Placement(node="n", devices=("0",), share=1.0, replicas=1),),
        "addresses": {},
    }
    return Deployment(**usual | changes)


def claim(name, metric, value, unit, clause=None):
    estimate = Estimate(metric=metric, value=value, low=value, high=value, unit=unit, source="analytic", basis="b")
    return Claim(address=name, metric=metric, estimate=estimate, clause=clause)


def action(name, kind, reason="nothing stands yet", **more):
    return Action(address=name, action=kind, reason=reason, executor="dryrun", undo="u", **more)


def plan_of(actions=(), claims=(), **more):
    inputs = Inputs(intents="i", fleet="f", models="m", profiles="p", catalogue="c", state="l:1")
    note = SolverNote(termination="optimal", seed=0, workers=1, deterministic_limit=1.0, version="v")
    usual = {"id": "", "aios_version": "0", "inputs": inputs, "status": "optimal", "solver": note}
    return with_id(
        Plan(**usual | {"actions": tuple(actions), "claims": tuple(claims), "files": {"intents": ["a.yaml"]}} | more)
    )
