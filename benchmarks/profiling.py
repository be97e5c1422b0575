"""Whether profiling what is decisive chooses what measuring everything chooses, and in what share of the time.

    python benchmarks/profiling.py record GROUPS.yaml WORLD       # measures everything, once for each group of models
    python benchmarks/profiling.py replay GROUPS.yaml WORLD       # compares, in that recorded world, intent by intent
    python benchmarks/profiling.py real GROUPS.yaml NAME...       # really runs these intents both ways

GROUPS.yaml (``profiling.yaml`` here) holds groups by name: ``model`` (paths), ``data``, ``load`` and ``pin`` as an
intent has them, and ``intents``: name -> ``require``, ``goal`` and whatever else of an intent's ``spec`` differs.

In a replay the world is what was recorded: a bench that hands out the measurements of an exhaustive run, each for the
seconds that it took then. Both ways see the same figures, so that noise between two runs is no difference between two
rules. Choices count as the same where the first goal differs by less than the measured interval, and it is said how
often.
"""

import argparse
import json
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path

import yaml

from aios.records.measurement import Measurement, subject_of
from aios.state import ProfileStore
from aios.workflow.profiling import Manner, profile
from aios.workflow.reading import gather
from aios.workflow.setting import Setting

AIOS = str(Path(sys.executable).with_name("aios"))


class RecordedWorld:
    """A bench at the seam of profiling that measures nothing: it hands out what was measured and lets time go by."""

    def __init__(self, world: Path, executors, seconds: float) -> None:
        self.known = ProfileStore(world / "profiles").load()
        self.executors, self.seconds, self.now = executors, seconds, 0.0
        self.prepared = {}
        for item in self.known.values():
            took = item.conditions.get("preparing took")
            if took:
                self.prepared[_family(item.subject)] = _seconds(took)

    def __call__(self, *_given) -> "RecordedWorld":
        return self

    def __enter__(self) -> "RecordedWorld":
        return self

    def __exit__(self, *_error) -> None:
        return None

    def clock(self) -> float:
        """Return the seconds that went by in this world."""
        return self.now

    def store(self, measurement: Measurement) -> None:
        """Keep nothing: the world holds it already."""

    def failure(self, deployment) -> Measurement | None:
        """Prepare a model."""
        found = self._found("artefact", deployment, None)
        self.now += self.prepared.get(_family(deployment), 0.0)
        return found

    def accuracy(self, deployment, _intent, _profile, data) -> Measurement:
        """Measure an accuracy."""
        return self._taken(self._found("accuracy", deployment, data), 1.0)

    def engine(self, deployment, _intent, _profile, share=1.0) -> Measurement:
        """Measure an engine: of a shorter measurement the start of the process stays as long as it was."""
        return self._taken(self._found("service", deployment, None), share)

    def serving(self, deployment, _intent, _profile) -> Measurement:
        """Measure an endpoint."""
        return self._taken(self._found("serving", deployment, None), 1.0)

    def _found(self, kind, deployment, data) -> Measurement | None:
        engine = self.executors[deployment.executor].engine()
        calibration = deployment.calibrate_digest
        return self.known.get(subject_of(kind, deployment, engine=engine, calibration=calibration, data=data).digest)

    def _taken(self, found: Measurement | None, share: float) -> Measurement:
        assert found is not None, "the recorded world lacks a measurement that an exhaustive run makes"
        self.now += max(0.0, _seconds(found.conditions["measuring took"]) - (1 - share) * self.seconds)
        own = {name: text for name, text in found.conditions.items() if not name.endswith("took")}
        own.pop("disturbed", None)  # it was repeated then, and all of that is in the time that it took
        return found.model_copy(update={"conditions": own})


def _seconds(text: str) -> float:
    return float(text.split(maxsplit=1)[0])


def _resolved(path: str, named: dict) -> str:
    return str(Path(path.format(**named)).absolute())


def _family(item) -> tuple[str, str, str]:
    digest = getattr(item, "model_digest", None) or item.model
    return digest, item.precision, item.quantization


def intent_text(name: str, group: dict, own: dict) -> str:
    """Return an intent file of a group."""
    spec = {"task": "image-classification", "model": {"anyOf": group["model"]}, "load": group["load"]}
    spec |= {"data": group["data"]} if "data" in group else {}
    spec |= {"pin": group["pin"]} if "pin" in group else {}
    document = {"apiVersion": "aios/v1", "kind": "Intent", "metadata": {"name": name}, "spec": {**spec, **own}}
    return yaml.safe_dump(document)


def intents_of(groups: dict):
    """Yield group name, intent name and what is its own."""
    for group, found in groups.items():
        for name, own in found["intents"].items():
            yield group, name, own


def record(groups: dict, world: Path, seconds: float) -> None:
    """Measure everything of each group."""
    for name, group in groups.items():
        place = world / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "intent.yaml").write_text(intent_text(name, group, {"goal": "minimize power"}))
        if not (place / "fleet.yaml").exists():
            subprocess.run([AIOS, "init", "."], cwd=place, check=True, capture_output=True)
            (place / "intent.yaml").write_text(intent_text(name, group, {"goal": "minimize power"}))
        command = [AIOS, "profile", "intent.yaml", "--exhaustive", "--seconds", str(seconds), "--json"]
        print(name, subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout[-80:])


def both_ways(place: Path, name: str, group: dict, own: dict, seconds: float) -> dict:
    """Choose by what is decisive and by everything, in a recorded world."""
    with tempfile.TemporaryDirectory() as folder:
        intent = Path(folder) / "intent.yaml"
        intent.write_text(intent_text(name, group, own))
        setting = Setting(paths=(str(intent),), fleet=str(place / "fleet.yaml"), profiles=Path(folder) / "none")
        executors = gather(setting).executors
        done = {}
        for way in ("decisive", "exhaustive"):
            world = RecordedWorld(place, executors, seconds)
            manner = Manner(seconds=seconds, exhaustive=way == "exhaustive")
            done[way] = profile(setting, manner, world, world.clock)
    return compared(name, own, *(done[way] for way in ("decisive", "exhaustive")))


def compared(name: str, own: dict, decisive, exhaustive) -> dict:
    """Return a row that compares two runs."""
    one, other = decisive.proofs[name], exhaustive.proofs[name]
    same = one.choice == other.choice
    close = one.choice in other.close or other.choice in one.close
    spent, whole = (sum(run.measuring_s.values()) for run in (decisive, exhaustive))
    goal = own["goal"] if isinstance(own["goal"], str) else ", ".join(own["goal"])
    return {
        "intent": name,
        "goal": goal,
        "candidates": other.candidates,
        "measured": one.measured,
        "by kind": dict(Counter(item.subject.kind for item in decisive.measured)),
        "settled": one.settled,
        "choice": "same" if same else "as good" if close else "OTHER",
        "chosen": one.choice,
        "exhaustive": other.choice,
        "seconds": round(spent, 1),
        "of": round(whole, 1),
        "share": round(spent / whole, 3) if whole else None,
    }


def really(groups: dict, names: list[str], seconds: float) -> None:
    """Run intents both ways, each in a folder of its own."""
    for group, name, own in intents_of(groups):
        if name not in names:
            continue
        found = {}
        for way in ("decisive", "exhaustive"):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                subprocess.run([AIOS, "init", "."], cwd=place, check=True, capture_output=True)
                (place / "intent.yaml").write_text(intent_text(name, groups[group], own))
                more = ["--exhaustive"] if way == "exhaustive" else []
                command = [AIOS, "profile", "intent.yaml", "--seconds", str(seconds), "--json", *more]
                said = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout
                found[way] = json.loads(said)
        one, other = (found[way]["intents"][name] for way in ("decisive", "exhaustive"))
        spent, whole = (sum(found[way]["measuring_s"].values()) for way in ("decisive", "exhaustive"))
        row = {"intent": name, "chosen": one["choice"], "exhaustive": other["choice"], "seconds": round(spent, 1)}
        print(json.dumps({**row, "of": round(whole, 1), "share": round(spent / whole, 3)}), flush=True)


def main() -> None:
    """Record, replay or really run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["record", "replay", "real"])
    parser.add_argument("groups", type=Path)
    parser.add_argument("rest", nargs="*", help="WORLD, or names of intents")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--lite", type=Path, default=Path("examples/imagenet-lite/exported"))
    given = parser.parse_args()
    groups = yaml.safe_load(given.groups.read_text())
    named = {"site": sysconfig.get_path("purelib"), "lite": str(given.lite)}
    for group in groups.values():
        group["model"] = [_resolved(path, named) for path in group["model"]]
        for name, paths in group.get("data", {}).items():
            group["data"][name] = [_resolved(path, named) for path in ([paths] if isinstance(paths, str) else paths)]
    if given.what == "real":
        return really(groups, given.rest, given.seconds)
    world = Path(given.rest[0])
    if given.what == "record":
        return record(groups, world, given.seconds)
    rows = []
    for group, name, own in intents_of(groups):
        rows.append(both_ways(world / group, name, groups[group], own, given.seconds))
        print(json.dumps(rows[-1]), flush=True)
    spent, whole = sum(row["seconds"] for row in rows), sum(row["of"] for row in rows)
    counts = {kind: sum(row["choice"] == kind for row in rows) for kind in ("same", "as good", "OTHER")}
    print(json.dumps({**counts, "seconds": round(spent, 1), "of": round(whole, 1), "share": round(spent / whole, 3)}))
    return None


if __name__ == "__main__":
    main()
