"""What to measure next: against brute force over worlds whose true figures lie inside their intervals."""

import itertools

import build_instances as make
from hypothesis import given
from hypothesis import strategies as st

from aios.fidelity import Contender, Pending, close_to, standing
from aios.records.metrics import metric

METRICS = {"accuracy": ("accuracy.top1",), "service": ("latency.p99",), "serving": ("power",)}
SECONDS = {"accuracy": 3.0, "service": 1.0, "serving": 8.0}
KINDS = tuple(METRICS)


class World:
    """A made-up machine: options with true figures, what is known of each before it is measured, and what it took.

    Options of one family share their accuracy. An endpoint tells both latency and power: the engine alone narrows the
    latency to half of its interval.
    """

    def __init__(self, intent, rows):
        self.intent, self.rows, self.done, self.seconds = intent, rows, [], 0.0

    def names(self, index):
        row = self.rows[index]
        return {"accuracy": f"accuracy {row['family']}", "service": f"engine {index}", "serving": f"endpoint {index}"}

    def contender(self, index):
        row, names = self.rows[index], self.names(index)
        pending = tuple(Pending(names[kind], kind, SECONDS[kind]) for kind in KINDS if names[kind] not in self.done)
        figures = {}
        for name, (low, value, high, true) in row["figures"].items():
            kinds = ("accuracy",) if name.startswith("accuracy") else ("service", "serving")
            left = [kind for kind in kinds if names[kind] not in self.done]
            if not left:
                figures[name] = true
            elif len(left) < len(kinds):
                figures[name] = (
                    (low + true) / 2,
                    min(max(value, (low + true) / 2), (high + true) / 2),
                    (high + true) / 2,
                )
            else:
                figures[name] = (low, value, high)
        option = make.option(f"a/{index}", figures)
        return Contender(option, option.estimates, pending, (index,))

    def settle(self):
        """Measure what is decisive; return who was chosen."""
        while True:
            all_of_them = [self.contender(index) for index in range(len(self.rows))]
            found = standing(self.intent, all_of_them)
            if found.next is None:
                return found
            self.measured_leader_could_win(found)
            _, item = found.next
            assert item.name not in self.done, "nothing is measured twice"
            self.done.append(item.name)
            self.seconds += item.seconds

    def measured_leader_could_win(self, found):
        """What is measured is not dominated: no finished option keeps every bound and is surely better."""
        goal = self.intent.goal[0]
        if len(self.intent.goal) > 1 or goal.tolerance or found.incumbent is None:
            return
        ends = found.leader.reach[goal.metric]
        known = found.incumbent.reach[goal.metric].value
        assert (ends.low <= known) if goal.direction == "minimize" else (ends.high >= known)

    def oracle(self):
        """Return who may be chosen by the true figures of all options: equal in the last goal, equally good."""
        left = []
        for index, row in enumerate(self.rows):
            true = {name: figures[3] for name, figures in row["figures"].items()}
            kept = all(
                true[b.metric] <= b.bound if metric(b.metric).relation == "<=" else true[b.metric] >= b.bound
                for b in self.intent.require
            )
            if kept:
                left.append((index, true))
        for goal in self.intent.goal:
            sign = 1 if goal.direction == "minimize" else -1
            best = min((sign * true[goal.metric] for _, true in left), default=0.0)
            most = best + goal.tolerance * abs(best)
            left = [(index, true) for index, true in left if sign * true[goal.metric] <= most]
        last, sign = self.intent.goal[-1], 1 if self.intent.goal[-1].direction == "minimize" else -1
        best = min((sign * true[last.metric] for _, true in left), default=0.0)
        return {f"a/{index}" for index, true in left if sign * true[last.metric] == best} or {None}


FIGURE = st.lists(st.integers(1, 12), min_size=4, max_size=4).map(sorted)


@st.composite
def worlds(draw):
    count = draw(st.integers(1, 7))
    families = {number: [x / 20 for x in draw(FIGURE)] for number in range(3)}
    rows = []
    for _ in range(count):
        family = draw(st.integers(0, 2))
        figures = {"accuracy.top1": families[family]}
        figures |= {name: [float(x) for x in draw(FIGURE)] for name in ("latency.p99", "power")}
        ordered = {
            name: (low, value, high, draw(st.sampled_from((low, value, true, high))))
            for name, (low, value, true, high) in figures.items()
            if name != "accuracy.top1"
        }
        low, value, true, high = families[family]
        rows.append({"family": family, "figures": {"accuracy.top1": (low, value, high, true), **ordered}})
    require = {
        name: bound
        for name, bound in {
            "latency.p99": draw(st.integers(1, 12)),
            "accuracy.top1": draw(st.integers(1, 12)) / 20,
        }.items()
        if draw(st.booleans())
    }
    goals = draw(
        st.sampled_from(
            [
                ("minimize power",),
                ("minimize latency.p99",),
                ("maximize accuracy.top1",),
                ("maximize accuracy.top1", "minimize power"),
                ("maximize accuracy.top1 within 0.2", "minimize power"),
                ("minimize power within 0.3", "minimize latency.p99 within 0.1", "maximize accuracy.top1"),
            ]
        )
    )
    return World(make.intent(require=require, goals=goals), rows)


@given(worlds())
def test_the_proved_choice_is_that_of_measuring_everything(world):
    found = world.settle()
    assert (found.leader.option.candidate.id if found.leader else None) in world.oracle()


def row(family=0, **figures):
    return {"family": family, "figures": {name.replace("_", "."): four for name, four in figures.items()}}


def test_an_option_that_cannot_win_is_never_measured():
    good = row(accuracy_top1=(0.9, 0.9, 0.9, 0.9), latency_p99=(1, 1, 1, 1), power=(2, 3, 4, 3))
    costly = row(1, accuracy_top1=(0.9, 0.95, 1.0, 0.9), latency_p99=(1, 1, 1, 1), power=(5, 6, 7, 6))
    slow = row(2, accuracy_top1=(0.9, 0.95, 1.0, 0.9), latency_p99=(9, 10, 11, 10), power=(1, 1, 1, 1))
    world = World(make.intent(require={"latency.p99": 8}), [good, costly, slow])
    found = world.settle()
    assert found.leader.option.candidate.id == "a/0"
    assert sorted(world.done) == ["accuracy 0", "endpoint 0", "engine 0"]
    assert found.out == {"latency.p99 <= 8 s": ("a/2",)}


def test_what_is_most_likely_to_rule_the_leader_out_per_second_comes_first():
    """Accuracy fails with a chance of a half for 3 s, latency with one of a tenth for 1 s: 0.17 against 0.1 per s."""
    doubtful = row(accuracy_top1=(0.8, 0.9, 1.0, 0.9), latency_p99=(1, 5, 11, 5), power=(1, 2, 3, 2))
    world = World(make.intent(require={"latency.p99": 10, "accuracy.top1": 0.9}), [doubtful])
    assert standing(world.intent, [world.contender(0)]).next[1].kind == "accuracy"
    surer = row(accuracy_top1=(0.89, 0.98, 1.0, 0.98), latency_p99=(1, 5, 11, 5), power=(1, 2, 3, 2))
    world = World(world.intent, [surer])
    assert standing(world.intent, [world.contender(0)]).next[1].kind == "service"


def pruned(keeps, ends, seconds=3.0):
    """An option whose network has so much left, of whose accuracy only the ends are known."""
    option = make.option(f"a/{keeps}", {"accuracy.top1": ends, "power": keeps})
    pending = (Pending(f"accuracy {keeps}", "accuracy", seconds),)
    return Contender(option, option.estimates, pending, (keeps,), falling=("net", keeps))


def test_of_networks_that_are_pruned_more_and_more_the_one_is_measured_that_may_rule_out_most():
    """Three fifths of the least pruned one's interval are too little, and it rules out three: 1.8 for the time of one.
    The next rules out two of three quarters, 1.5, the last itself alone, 0.9."""
    chain = [pruned(0.9, (0.75, 0.9, 1.0)), pruned(0.75, (0.6, 0.9, 1.0)), pruned(0.5, (0.2, 0.9, 1.0))]
    intent = make.intent(require={"accuracy.top1": 0.9})
    found = standing(intent, chain)
    assert found.leader is chain[2]
    assert found.next[0] is chain[0]
    dear = [pruned(0.9, (0.75, 0.9, 1.0), seconds=30.0), *chain[1:]]
    assert standing(intent, dear).next[0] is chain[1]
    unrelated = [one._replace(falling=None) for one in chain]
    assert standing(intent, unrelated).next[0] is unrelated[2]
    assert standing(make.intent(), chain).next[0] is chain[2], "where no accuracy is asked for, none rules anything out"


def test_nothing_can_meet_the_intent_is_proved_without_measuring():
    slow = row(accuracy_top1=(0.9, 0.9, 0.9, 0.9), latency_p99=(9, 10, 11, 10), power=(1, 1, 1, 1))
    world = World(make.intent(require={"latency.p99": 8}), [slow])
    assert world.settle().leader is None
    assert world.done == []


def test_rivals_are_told_with_what_they_may_reach_and_what_would_tell():
    known = row(accuracy_top1=(0.9, 0.9, 0.9, 0.9), latency_p99=(1, 1, 1, 1), power=(2, 3, 4, 3))
    rival = row(1, accuracy_top1=(0.9, 0.9, 0.9, 0.9), latency_p99=(1, 1, 1, 1), power=(2.5, 3, 4, 3))
    world = World(make.intent(), [known, rival])
    world.done = list(world.names(0).values())
    found = standing(world.intent, [world.contender(0), world.contender(1)])
    assert found.incumbent.option.candidate.id == "a/0"
    (open_one,) = found.rivals
    assert (open_one.id, open_one.best) == ("a/1", 2.5)
    assert [item.kind for item in open_one.missing] == ["accuracy", "service", "serving"]


def test_a_metric_of_which_nothing_is_known_may_turn_out_at_its_best_until_it_is_measured():
    blank = make.option("a/0", {"power": 2.0})
    pending = (Pending("accuracy 0", "accuracy", 3.0),)
    intent = make.intent(require={"accuracy.top1": 0.9})
    assert standing(intent, [Contender(blank, blank.estimates, pending, (0,))]).next[1] == pending[0]
    assert standing(intent, [Contender(blank, blank.estimates, (), (0,))]).leader is None


def test_what_nothing_measured_changes_needs_no_measurement_to_be_compared():
    """Prices are known: the cheapest one only has to be shown to keep its bounds."""
    options = [make.option(f"a/{i}", {"cost": float(i + 1), "latency.p99": (1.0, 2.0, 3.0)}) for i in range(2)]
    intent = make.intent(require={"latency.p99": 5.0}, goals=("minimize cost",))
    serving = [Pending(f"endpoint {i}", "serving", 8.0) for i in range(2)]
    all_of_them = [Contender(o, o.estimates, (p,), (i,)) for i, (o, p) in enumerate(zip(options, serving, strict=True))]
    assert standing(intent, all_of_them).next[1] == serving[0]
    first = all_of_them[0]._replace(pending=())
    assert standing(intent, [first, all_of_them[1]]).next is None


def test_options_within_the_intervals_are_told_as_too_close():
    figures = [(1.8, 2.0, 2.2), (1.9, 2.1, 2.3), (2.5, 2.6, 2.7)]
    options = [make.option(f"a/{i}", {"power": ends}) for i, ends in enumerate(figures)]
    all_of_them = [Contender(option, option.estimates, (), (i,)) for i, option in enumerate(options)]
    intent = make.intent()
    assert close_to(intent, standing(intent, all_of_them).leader, all_of_them) == ("a/1",)


def test_the_order_of_options_does_not_matter():
    rows = [row(i, accuracy_top1=(0.9, 0.9, 0.9, 0.9), latency_p99=(1, 1, 1, 1), power=(2, 3, 4, 3)) for i in range(3)]
    world = World(make.intent(), rows)
    each = [world.contender(index) for index in range(3)]
    assert {standing(world.intent, order).next[1].name for order in itertools.permutations(each)} == {"engine 0"}
