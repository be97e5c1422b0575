"""How long policies take: the view of a plan, and rules asked of it in their own process.

python benchmarks/policies.py [--intents 1000] [--rules 10]
"""

import argparse
import json
import resource
import time
from pathlib import Path

from aios.policy import compile_policies, view_of
from aios.records.document import parse
from aios.records.plan import Plan
from aios.workflow.ruling import Evaluator, check_rules, judge

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "one-intent" / "plan.json"
CONDITIONS = (
    ("decision", "decision.replicas < {n}"),
    ("decision", 'decision.precision == "int4" && intent.labels[?"environment"].orValue("") != "staging"'),
    ("claim", 'claim.metric == "latency.p99" && claim.estimate.source != "measured"'),
    ("action", 'action.action == "delete"'),
    ("plan", 'plan.totals["power"].high > quantity("2 kW")'),
)


def measured(what, work):
    """Print the time that ``work`` takes, in this process and in its children, and return what it returns."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = work()
    used = resource.getrusage(resource.RUSAGE_SELF)
    own = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what:<44} {own:6.3f} s of this process, {time.perf_counter() - started:6.3f} s in all")
    return found


def policy(count):
    """Return so many rules of each kind in turn, as a file."""
    rules = []
    for number in range(count):
        about, condition = CONDITIONS[number % len(CONDITIONS)]
        rules.append({"name": f"r{number}", "for": about, "warn": condition.replace("{n}", "0")})
    text = {"apiVersion": "aios/v1", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"rules": rules}}
    return compile_policies(parse(json.dumps(text).encode(), "policy.yaml"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--intents", type=int, default=1000)
    parser.add_argument("--rules", type=int, default=10)
    asked = parser.parse_args()
    plan = Plan.model_validate_json(GOLDEN.read_text())
    names = [f"i{number}" for number in range(asked.intents)]
    plan = plan.model_copy(
        update={
            "decisions": tuple(plan.decisions[0].model_copy(update={"intent": name}) for name in names),
            "claims": tuple(item.model_copy(update={"address": name}) for name in names for item in plan.claims),
            "actions": tuple(plan.actions[0].model_copy(update={"address": name}) for name in names),
        }
    )
    rules = measured(f"{asked.rules} rules read", lambda: policy(asked.rules))
    with Evaluator() as evaluator:
        measured("evaluator started, rules compiled", lambda: check_rules(rules, evaluator))
        view = measured(f"view of {asked.intents:,} intents", lambda: view_of(plan))
        rulings = measured("rules asked", lambda: judge(rules, view, evaluator))
    print(
        f"{sum(item.asked for item in rulings):,} questions, {sum(len(item.findings) for item in rulings):,} findings"
    )


if __name__ == "__main__":
    main()
