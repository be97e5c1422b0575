"""What ``aios fidelity`` says of decisions is about the planner only if it decides as the solver does."""

import numpy as np
import pytest

from aios.fidelity.configuring import Column
from aios.fidelity.regret import ChoiceSet, Drawn, chosen, compared_end
from aios.solve import Limits, choose

ROWS = 12


def column(random):
    """Values and unequal ends of their intervals; what was measured and what physics says is nobody's business."""
    value = random.uniform(0.1, 1.0, ROWS)
    unknown = np.full(ROWS, np.nan)
    return Column(
        unknown, value, value * random.uniform(0.4, 1.0, ROWS), value * random.uniform(1.0, 2.5, ROWS), unknown
    )


def ends(column):
    return zip(column.low.tolist(), column.value.tolist(), column.high.tolist(), strict=True)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize(
    ("limited", "goal"),
    [("latency.mean", "energy"), ("throughput", "energy"), ("latency.mean", "throughput"), ("throughput", "power")],
)
def test_the_same_choice(make, limited, goal, relative):
    lower = (limited != "throughput", goal != "throughput")
    verbs = ["minimize" if less else "maximize" for less in lower]
    decided = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        bound, wanted = column(random), column(random)
        limit = random.uniform(0.05, 0.5) if relative else random.uniform(0.2, 1.2)
        item = ChoiceSet(limited, relative, bound, wanted, np.full(ROWS, np.nan), lower)
        drawn = Drawn(limit, np.ones(ROWS, dtype=bool))
        found = chosen(item, drawn, item.goal.value, compared_end(item))

        options = [
            make.option(f"a/{row}", {limited: first, goal: second})
            for row, (first, second) in enumerate(zip(ends(bound), ends(wanted), strict=True))
        ]
        goals = [f"{verbs[1]} {goal}"]
        if relative:
            intent = make.intent(goals=[f"{verbs[0]} {limited} within {limit}", *goals])
        else:
            intent = make.intent(require={limited: limit}, goals=goals)
        plan = choose([intent], {"a": options}, make.fleet(), Limits()).chosen
        assert (f"a/{found}" if found is not None else None) == (plan["a"].candidate.id if plan else None)
        decided += found is not None
    assert decided > 10
