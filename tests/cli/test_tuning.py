"""tune on the digits example: what disappoints is left, what is no better is gone back from, a kill changes nothing."""

import shutil
from pathlib import Path

import pytest

from aios.records.errors import WorldError
from aios.records.measurement import Measured, Verdict
from aios.state import Ledger
from aios.workflow.applying import apply_plan, destroy
from aios.workflow.keeping import load_state, state_of
from aios.workflow.planning import make_plan
from aios.workflow.setting import Setting
from aios.workflow.tuning import Limits, tune, what_next
from aios.workflow.verifying import Verified, verify

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits"
NAME = "read-digits"


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """One applied service for all tests: each begins where the one before left it."""
    folder = tmp_path_factory.mktemp("tuning")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "README.md"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = Setting(paths=("intent.yaml",))
        assert apply_plan(make_plan(given).plan, given, silent).complete
        yield given
        destroy(given, (), silent)


def silent(_event):
    """Take in what apply tells."""


def deployment(setting):
    return load_state(setting).resources[NAME].deployment


def commands(setting):
    return [run.command for run in state_of(setting).runs(last=20)]


class StatedVerifier:
    """Stands in for `verify` at its seam: power by the order in which candidates are seen, p99 broken of the first."""

    def __init__(self, setting, powers, broken=(True,)):
        self.setting, self.powers, self.broken, self.seen = setting, powers, broken, []

    def __call__(self, setting, *_asked):
        if deployment(setting) not in self.seen:
            self.seen.append(deployment(setting))
        place = self.seen.index(deployment(setting))
        if isinstance(self.powers[place], BaseException):
            raise self.powers[place]
        broken = place < len(self.broken) and self.broken[place]
        found = (
            verdict("power", self.powers[place], "noted"),
            verdict("latency.p99", 0.014, "broken" if broken else "held"),
        )
        return (Verified(NAME, found, {}),)


def verdict(metric, value, said):
    """value: measured, or that with the ends of its interval"""
    unit = "W" if metric == "power" else "s"
    value, low, high = value if isinstance(value, tuple) else (value,) * 3
    measured = Measured(value=value, low=low, high=high, unit=unit, n=1, meter="stated by the test")
    clause = "latency.p99 <= 10 ms" if metric == "latency.p99" else None
    return Verdict(address=NAME, metric=metric, clause=clause, bound=None, predicted=2.0, low=1.0, high=99.0,
                   measured=measured, verdict=said, reason="")  # fmt: skip


def test_what_disappoints_under_real_load_is_left_for_the_next_best(setting):
    home = deployment(setting)

    def disturbed(setting, targets, seconds, seed):
        """Measure really. However busy the machine is, the first choice is found broken and any other one not."""
        (found,) = verify(setting, targets, seconds, seed)
        said = "broken" if deployment(setting) == home else "held"
        changed = [v.model_copy(update={"verdict": said}) if v.clause else v for v in found.verdicts]
        return (Verified(found.address, tuple(changed), found.conditions),)

    done = tune(setting, NAME, Limits(explore=1, seconds=0.5), silent, disturbed)
    (trial,) = done.trials
    assert trial.outcome == "better"
    assert done.stands == trial.candidate != done.home
    assert not done.still_broken
    assert deployment(setting) != home
    assert commands(setting)[-1].startswith(f"tune: {done.home} ")
    entries = Ledger(Path("profiles/ledger")).load()
    assert {"verify"} <= {entry.by for entry in entries}
    assert {"latency.p99", "throughput", "memory"} <= {entry.metric for entry in entries}


def test_what_is_no_better_is_gone_back_from_and_the_history_says_why(setting):
    home, before = deployment(setting), len(commands(setting))
    done = tune(setting, NAME, Limits(explore=2), silent, StatedVerifier(setting, [2.0, 3.0, 4.0], (True, True, True)))
    assert [trial.outcome for trial in done.trials] == ["worse", "worse"]
    assert done.still_broken
    assert deployment(setting) == home
    assert [text.split(",")[-1] for text in commands(setting)[before:]] == [
        f" moved to {done.trials[0].candidate}",
        " went back",
        f" moved to {done.trials[1].candidate}",
        " went back",
    ]


def test_what_intervals_do_not_tell_apart_is_not_moved_to(setting):
    """3 W with 2.8 to 3.2, then 2.5 W with 2.2 to 2.9 overlap; 2 W with 1.8 to 2.1 lies below both."""
    home, before = deployment(setting), len(commands(setting))
    powers = [(3.0, 2.8, 3.2), (2.5, 2.2, 2.9), (3.4, 3.3, 3.5)]
    done = tune(setting, NAME, Limits(explore=2), silent, StatedVerifier(setting, powers, (True,) * 3))
    assert [trial.outcome for trial in done.trials] == ["not told apart", "worse"]
    assert (done.trials[0].measured_low, done.trials[0].measured_high) == (2.2, 2.9)
    assert deployment(setting) == home
    assert commands(setting)[before + 1].endswith("measured no different within the intervals, went back")
    powers = [(3.0, 2.8, 3.2), (2.0, 1.8, 2.1), SystemExit()]
    killed = StatedVerifier(setting, powers, (True,) * 3)
    with pytest.raises(SystemExit):
        tune(setting, NAME, Limits(explore=2), silent, killed)
    # The interval of what the killed command found is kept: 2 W and 1.9 W are not told apart.
    done = tune(setting, NAME, Limits(explore=3), silent, StatedVerifier(setting, [(1.9, 1.7, 2.05)], (True,)))
    assert [trial.outcome for trial in done.trials] == ["better", "interrupted", "not told apart"]
    assert done.stands == done.trials[0].candidate
    assert deployment(setting) == killed.seen[1]


def test_a_kill_within_a_trial_is_gone_back_from_by_the_next_tune(setting):
    home = deployment(setting)
    killed = StatedVerifier(setting, [2.0, SystemExit()])
    with pytest.raises(SystemExit):
        tune(setting, NAME, Limits(explore=2), silent, killed)
    assert deployment(setting) != home  # what the kill left
    done = tune(setting, NAME, Limits(explore=1), silent, StatedVerifier(setting, [2.0]))
    assert [trial.outcome for trial in done.trials] == ["interrupted"]
    assert deployment(setting) == home
    assert "whose trial was cut short" in commands(setting)[-1]


def test_a_kill_after_a_better_trial_leaves_that_one_to_be_beaten(setting):
    killed = StatedVerifier(setting, [4.0, 2.0, SystemExit()], (True, True, True))
    with pytest.raises(SystemExit):
        tune(setting, NAME, Limits(explore=3), silent, killed)
    better = killed.seen[1]
    # The third is better than what stood first, and no better than what the killed command had found.
    stated = StatedVerifier(setting, [3.0], (True,))
    done = tune(setting, NAME, Limits(explore=3), silent, stated)
    assert [trial.outcome for trial in done.trials] == ["better", "interrupted", "worse"]
    assert done.stands == done.trials[0].candidate
    assert deployment(setting) == better


def test_a_trial_that_fails_after_a_better_one_goes_back_to_that(setting):
    stated = StatedVerifier(setting, [4.0, 2.0, WorldError("it fell over")], (True, True, True))
    done = tune(setting, NAME, Limits(explore=2), silent, stated)
    assert [trial.outcome for trial in done.trials] == ["better", "failed"]
    assert done.stands == done.trials[0].candidate
    assert deployment(setting) == stated.seen[1]


def test_what_keeps_its_promises_is_left_alone(setting):
    before = len(commands(setting))
    done = tune(setting, NAME, Limits(), silent, StatedVerifier(setting, [2.0], (False,)))
    assert done.disappointed is None
    assert done.trials == ()
    assert len(commands(setting)) == before
    first, *rest = what_next(setting, NAME, Limits(explore=3))
    assert first.candidate.id not in {item.candidate.id for item in rest}
    assert len(rest) == 2
