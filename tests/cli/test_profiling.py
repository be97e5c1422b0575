"""Profiling by what is decisive, on a made-up machine whose true figures lie inside the intervals."""

import itertools
import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_bench import TAKES_S, MadeUpBench

from aios.workflow import stopping
from aios.workflow.keeping import load_state
from aios.workflow.measuring import Bench
from aios.workflow.planning import consider, make_plan
from aios.workflow.profiling import Manner, profile
from aios.workflow.profilingsubjects import deployment_of_one
from aios.workflow.reading import gather
from aios.workflow.setting import Setting

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"

INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: digits}}
spec:
  task: image-classification
  model: {{anyOf: [{models}/digits-s.onnx, {models}/digits-m.onnx]}}
  data: {{evaluate: {data}/evaluate.npz, calibrate: {data}/calibrate.npz}}
  load: {{rate: 100/s}}
  require: {require}
  goal: {goal}
  pin: {{batch: 1}}
"""


@pytest.fixture
def asked_for(tmp_path, fleet):
    """Returns a setting for an intent over the digits family, and the ends that times are expected between."""

    def made(require="{latency: {p99: 20 ms}, accuracy: {top1: 96 %}}", goal="minimize power"):
        text = INTENT.format(models=DIGITS / "models", data=DIGITS, require=require, goal=goal)
        (tmp_path / "intent.yaml").write_text(text)
        setting = Setting(
            paths=(str(tmp_path / "intent.yaml"),),
            fleet=str(fleet),
            state=tmp_path / ".aios" / "state.json",
            profiles=tmp_path / "profiles",
        )
        return setting, prior_of(setting)

    return made


def prior_of(setting):
    given = gather(setting)
    prior = {}
    for intent in given.intents:
        for option in consider(given).options[intent.name]:
            one, rate = option.candidate, option.estimates["throughput"]
            key = (one.model_digest, one.precision, one.quantization, one.threads, one.batch)
            if one.replicas == 1:
                added = 0.5e-3  # that an endpoint is assumed to take at most beside computing
                prior[key] = (1 / rate.high, max(1.01 / rate.high, 1 / rate.low - added))
    return prior


def kinds(run):
    return [item.subject.kind for item in run.measured]


def both(setting, prior, seed):
    found = []
    for exhaustive in (False, True):
        folder = setting.profiles.parent / f"{seed}-{exhaustive}"
        bench = MadeUpBench(folder, prior, seed)
        own = replace(setting, profiles=folder)
        found.append((profile(own, Manner(exhaustive=exhaustive), bench, bench.clock), bench))
    return found


GOALS = ["minimize power", "minimize latency.p99", "maximize throughput", "[maximize accuracy.top1, minimize power]"]


@pytest.mark.parametrize("goal", GOALS)
def test_the_choice_is_that_of_measuring_everything_in_far_less_time(asked_for, goal):
    setting, prior = asked_for(goal=goal)
    (decisive, bench), (exhaustive, all_of_it) = both(setting, prior, GOALS.index(goal))
    one, other = decisive.proofs["digits"], exhaustive.proofs["digits"]
    assert one.settled == other.settled
    assert one.choice == other.choice or one.choice in other.close or other.choice in one.close
    assert one.measured <= other.measured == other.candidates
    assert kinds(exhaustive).count("service") == kinds(exhaustive).count("serving") == len(prior)
    assert bench.now < 0.6 * all_of_it.now


@pytest.mark.parametrize("budget", [1.0, 7.0, 20.0])
def test_a_budget_is_never_overdrawn(asked_for, budget):
    setting, prior = asked_for()
    bench = MadeUpBench(setting.profiles, prior)
    done = profile(setting, Manner(budget_s=budget), bench, bench.clock, bench.within)
    assert bench.now <= budget
    assert done.settled == {"digits": "open"}
    assert done.proofs["digits"].rivals
    assert all(rival.missing for rival in done.proofs["digits"].rivals)
    assert done.unmade, "what there was no time for is told"


def test_what_is_expected_to_take_longer_than_is_left_is_not_begun(asked_for):
    """A model is taken to need 3 s to be prepared and an engine 0.75 s; the budget has no room for both."""
    setting, prior = asked_for()
    bench = MadeUpBench(setting.profiles, prior)
    done = profile(setting, Manner(budget_s=3.5), bench, bench.clock, bench.within)
    assert (bench.now, bench.asked) == (0.0, [])
    (unmade,) = done.unmade
    assert not unmade.cut
    assert unmade.seconds > 3.5


def test_what_takes_longer_than_expected_is_cut_off_and_made_by_the_next_run(asked_for):
    class Slow(MadeUpBench):
        def failure(self, _deployment):
            self._take(50.0)

    setting, prior = asked_for()
    short = Slow(setting.profiles, prior)
    done = profile(setting, Manner(budget_s=20.0), short, short.clock, short.within)
    assert short.now == 20.0
    assert done.measured == ()
    (unmade, *_) = done.unmade
    assert (unmade.cut, unmade.seconds) == (True, 20.0)
    assert unmade.what.startswith("preparing digits-")
    again = MadeUpBench(setting.profiles, prior)
    assert profile(setting, Manner(), again, again.clock).settled == {"digits": "measured"}


def test_times_still_needed_are_those_that_measurements_took(asked_for):
    """Endpoints of this machine take 9 s, whatever was expected of the first."""
    setting, prior = asked_for()
    bench = MadeUpBench(setting.profiles, prior)
    manner = Manner(exhaustive=True, budget_s=100.0)
    done = profile(setting, manner, bench, bench.clock, bench.within)
    left = [item.seconds for item in done.unmade if item.what.startswith("endpoint")]
    assert left
    assert left == pytest.approx([TAKES_S["serving"]] * len(left), rel=0.3)


def test_a_service_that_is_cut_off_leaves_nothing_running(asked_for):
    setting, _ = asked_for()
    given = gather(setting)
    (intent,) = given.intents
    candidate = consider(given).options["digits"][0].candidate
    deployment = deployment_of_one(given, intent, candidate)
    own = given.profiles["digits"][candidate.model]
    ended = []
    with Bench(setting, given.executors, given.fleet.types, 0.1) as bench:
        assert bench.failure(deployment) is None
        for seconds in (0.2, 1.5):  # while it starts, and while it is under load
            with pytest.raises(stopping.OutOfTime), stopping.within(seconds):
                bench.serving(deployment, intent, own)
            ended.append(load_state(replace(setting, state=setting.home / "bench" / "state.json")).resources)
    assert ended == [{}, {}]
    assert not list(setting.profiles.glob("*/*"))
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_errors_that_compiled_code_makes_of_the_end_of_time_are_taken_for_it():
    def compute():
        try:
            time.sleep(10)
        except stopping.OutOfTime:
            raise RuntimeError("as numpy does") from None

    with pytest.raises(stopping.OutOfTime), stopping.within(0.01):
        compute()
    with pytest.raises(RuntimeError, match="its own"), stopping.within(10.0):
        raise RuntimeError("its own")


def test_killed_after_any_measurement_it_goes_on_and_measures_nothing_twice(asked_for):
    setting, prior = asked_for()
    whole = MadeUpBench(setting.profiles.parent / "whole", prior)
    aim = profile(replace(setting, profiles=setting.profiles.parent / "whole"), Manner(), whole, whole.clock)
    for point in range(1, whole.stored):
        own = replace(setting, profiles=setting.profiles.parent / f"killed-{point}")
        first = MadeUpBench(own.profiles, prior, stop_after=point)
        with pytest.raises(KeyboardInterrupt):
            profile(own, Manner(), first, first.clock)
        second = MadeUpBench(own.profiles, prior)
        done = profile(own, Manner(), second, second.clock)
        assert done.proofs["digits"].choice == aim.proofs["digits"].choice
        asked = [item.digest for item in (*first.asked, *second.asked)]
        # An engine is measured twice by design: for a part of its time, then for all of it.
        assert len(asked) == whole.stored
        assert sorted(asked) == sorted(item.digest for item in whole.asked)
        third = MadeUpBench(own.profiles, prior)
        assert profile(own, Manner(), third, third.clock).measured == ()


def test_a_wall_clock_that_jumps_changes_no_duration(asked_for):
    setting, prior = asked_for()
    years = itertools.cycle(["2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
    jumping = replace(setting, now=lambda: next(years))
    runs = []
    for index, own in enumerate((setting, jumping)):
        folder = setting.profiles.parent / f"clock-{index}"
        bench = MadeUpBench(folder, prior)
        runs.append(profile(replace(own, profiles=folder), Manner(budget_s=1000.0), bench, bench.clock, bench.within))
    steady, jumped = runs
    assert (steady.seconds, steady.measuring_s, steady.proofs) == (jumped.seconds, jumped.measuring_s, jumped.proofs)


def test_what_was_disturbed_is_measured_again_and_the_undisturbed_one_kept(asked_for):
    setting, prior = asked_for()
    quiet = MadeUpBench(setting.profiles.parent / "quiet", prior)
    own = replace(setting, profiles=setting.profiles.parent / "quiet")
    aim = profile(own, Manner(), quiet, quiet.clock)
    noisy = MadeUpBench(setting.profiles, prior, disturbed=[True, False])
    done = profile(setting, Manner(), noisy, noisy.clock)
    assert len(noisy.asked) == len(quiet.asked) + 1
    assert all("disturbed" not in item.conditions for item in done.measured)
    assert done.proofs == aim.proofs

    always = MadeUpBench(setting.profiles.parent / "always", prior, disturbed=[True] * 1000)
    own = replace(setting, profiles=setting.profiles.parent / "always")
    done = profile(own, Manner(), always, always.clock)
    timed = [item for item in done.measured if item.subject.kind != "accuracy"]
    assert all(item.conditions["disturbed"] == "made up" for item in timed)
    asked = [item.kind for item in always.asked]
    assert asked.count("serving") == 2 * kinds(done).count("serving")
    assert asked.count("accuracy") == kinds(done).count("accuracy")
    assert asked.count("service") % 3 == 0


def test_a_conflict_with_what_a_busy_machine_measured_says_so(asked_for):
    setting, prior = asked_for()
    noisy = MadeUpBench(setting.profiles, prior, disturbed=[True] * 1000)
    profile(setting, Manner(exhaustive=True), noisy, noisy.clock)
    (path,) = map(Path, setting.paths)
    path.write_text(path.read_text().replace("p99: 20 ms", "p99: 0.2 ms"))
    (note,) = [text for text in make_plan(setting).plan.conflict.notes if "not at rest" in text]
    assert note == (
        "latency.p99 of every option of digits was measured on a machine that was not at rest (made up): "
        f"measure again once it is, with `aios profile {path} --fresh`."
    )
    quiet = MadeUpBench(setting.profiles, prior)
    again = replace(setting, profiles=setting.profiles)
    path.write_text(path.read_text().replace("p99: 0.2 ms", "p99: 20 ms"))
    profile(again, Manner(exhaustive=True, fresh=True), quiet, quiet.clock)
    path.write_text(path.read_text().replace("p99: 20 ms", "p99: 0.2 ms"))
    assert not [text for text in make_plan(setting).plan.conflict.notes if "not at rest" in text]


class FailingBench(MadeUpBench):
    """Cannot prepare what is quantised by the calibration data of the first intent."""

    def failure(self, deployment):
        super().failure(deployment)
        if deployment.quantization != "static" or deployment.intent != "digits":
            return None
        made = self._made("artefact", deployment, {})
        return made.model_copy(update={"conditions": {"failed": "made up"}})


def test_what_one_intents_data_spoils_is_measured_for_another_that_calls_the_model_the_same(asked_for):
    setting, _ = asked_for()
    (path,) = map(Path, setting.paths)
    text = path.read_text().replace("pin: {batch: 1}", "pin: {batch: 1, precision: int8}")
    other = path.with_name("other.npz")
    arrays = {name: array[::-1] for name, array in np.load(DIGITS / "calibrate.npz").items()}
    np.savez(other, **arrays)
    second = text.replace("{name: digits}", "{name: digits-b}").replace(f"{DIGITS}/calibrate.npz", str(other))
    path.write_text(f"{text}---\n{second}")
    prior = prior_of(setting)
    bench = FailingBench(setting.profiles, prior)
    done = profile(setting, Manner(exhaustive=True, budget_s=5000.0), bench, bench.clock, bench.within)
    assert done.settled["digits-b"] == "measured"
    one, two = (done.proofs[name] for name in ("digits", "digits-b"))
    assert one.measured == one.candidates < two.measured == two.candidates
    assert bench.now < 5000.0


def test_nothing_is_measured_for_a_bound_that_nothing_can_keep(asked_for):
    setting, prior = asked_for(require="{latency: {p99: 1 us}}")
    bench = MadeUpBench(setting.profiles, prior)
    done = profile(setting, Manner(), bench, bench.clock)
    assert done.settled == {"digits": "infeasible"}
    assert done.measured == ()
    assert done.skipped == {"they cannot meet latency.p99 <= 1 us": len(prior)}


def test_a_slightly_pruned_network_that_knows_nothing_rules_out_those_that_are_pruned_more(asked_for):
    class Forgetting(MadeUpBench):
        def accuracy(self, deployment, intent, profile, data):
            made = super().accuracy(deployment, intent, profile, data)
            if deployment.compression == "none":
                return made
            (value,) = made.values.values()
            chance = value.model_copy(update={"value": 0.1, "low": 0.08, "high": 0.12})
            return made.model_copy(update={"values": {"accuracy.top1": chance}})

    setting, _ = asked_for()
    (path,) = map(Path, setting.paths)
    pins = "pin: {batch: 1, precision: fp32, threads: 1}"
    text = path.read_text().replace("pin: {batch: 1}", f"{pins}\n  transforms: {{prune: {{keep: [90 %, 75 %, 50 %]}}}}")
    path.write_text(text)
    bench = Forgetting(setting.profiles, prior_of(setting))
    done = profile(setting, Manner(), bench, bench.clock)
    pruned = [item for item in bench.asked if item.compression == "prune" and item.kind == "accuracy"]
    assert [item.settings for item in pruned] == [{"keep": "0.9"}]
    assert done.skipped["they cannot meet accuracy.top1 >= 96 %"] == 3
    assert len(done.proofs["digits"].leaning) == 2
    assert (
        "keep=0.5 is taken to be no more right than with fp32+prune+keep=0.9 (10.0%)"
        in done.proofs["digits"].leaning[0]
    )


def test_why_a_model_could_not_be_prepared_is_told_at_once(asked_for):
    class Refusing(MadeUpBench):
        def failure(self, deployment):
            if deployment.quantization == "static":
                failed = self._made("artefact", deployment, {})
                return failed.model_copy(update={"conditions": {"failed": "item 17 holds nan"}})
            return super().failure(deployment)

    setting, prior = asked_for()
    bench = Refusing(setting.profiles, prior)
    done = profile(setting, Manner(exhaustive=True), bench, bench.clock)
    assert done.skipped["item 17 holds nan"] == 2, "of each of two models"
    assert done.settled == {"digits": "measured"}


@pytest.mark.usefixtures("fleet")
def test_where_nothing_fits_profile_ends_as_plan_does(here, asked):
    text = asked(p99="1 us")
    here.write("intent.yaml", text)
    told = here("profile", "intent.yaml")
    assert told.code == here("plan", "intent.yaml").code == 3
    assert "digits: no candidate meets it" in told.out
    here.write("intent.yaml", text.replace("spec:", "spec:\n  required: false", 1))
    assert here("profile", "intent.yaml").code == here("plan", "intent.yaml").code == 0, "it may be refused"


@pytest.mark.usefixtures("fleet")
def test_the_command_tells_what_is_open_and_what_would_decide(aios, asked):
    aios.write("intent.yaml", asked(pin="{precision: fp32, batch: 1}"))
    words = aios("profile", "intent.yaml", "--seconds", "0.1", "--budget", "1 ms")
    assert words.code == 0
    assert "digits: its choice is still open (0 of 3 candidates measured)" in words.out
    assert "would tell" in words.out
    assert "not begun, for lack of time: " in words.out
    told = json.loads(aios("profile", "intent.yaml", "--seconds", "0.1", "--budget", "1ms", "--json").out)
    (rival, *_) = told["intents"]["digits"]["rivals"]
    assert {item["kind"] for item in rival["missing"]} == {"accuracy", "service", "serving"}
    assert rival["preparing_s"] > 0
    assert told["not_made"][0]["cut"] is False
    assert told["settled"] == {"digits": "open"}
    assert aios("profile", "intent.yaml", "--budget", "soon").code == 64
