"""Predicted against measured: p99 under the stated Poisson load, and service time, for each variant of an example.

    python benchmarks/fidelity/this_machine.py [INTENT.yaml] [--seconds 30] [--rates 50,200,400]

Every variant is pinned in turn, profiled, planned, applied and verified, all in one run on this machine. The service
time is predicted from the profile and measured again, afterwards, by another profile.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
AIOS = str(Path(sys.executable).with_name("aios"))


def aios(place: Path, *arguments: str, allowed: tuple[int, ...] = (0,)) -> dict:
    """Run a command with --json and return its document."""
    done = subprocess.run([AIOS, *arguments, "--json"], cwd=place, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise SystemExit(f"aios {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def pinned(source: Path, model: str, rate: float) -> str:
    """Return the intent with one model, one setting, and nothing required."""
    intent = yaml.safe_load(source.read_text())
    spec = intent["spec"]
    spec["model"] = str((source.parent / model).resolve())
    spec["data"] = {
        name: [str((source.parent / path).resolve()) for path in ([paths] if isinstance(paths, str) else paths)]
        for name, paths in spec["data"].items()
    }
    spec["load"] = {"rate": f"{rate}/s", "arrivals": "poisson"}
    spec["pin"] = {"precision": "fp32", "quantization": "none", "threads": 1, "batch": 1, "replicas": 1}
    del spec["require"]
    return yaml.safe_dump(intent)


def service_time(measured: list[dict]) -> float:
    """Return the mean time (s) of a call of the engine alone."""
    return next(item["values"]["time"]["value"] for item in measured if item["subject"]["kind"] == "service")


def compare(source: Path, model: str, rate: float, seconds: float) -> dict:
    """Return predicted and measured figures of one variant at one rate."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "intent.yaml").write_text(pinned(source, model, rate))
        subprocess.run([AIOS, "init", "."], cwd=place, capture_output=True, check=False)
        (place / "intent.yaml").write_text(pinned(source, model, rate))
        first = aios(place, "profile", "intent.yaml", "--seconds", "2")
        try:
            aios(place, "apply", "intent.yaml", "--yes")
            (found,) = aios(place, "verify", "--seconds", str(seconds), allowed=(0, 5))["verified"]
        finally:
            aios(place, "destroy", "--yes")
        again = aios(place, "profile", "intent.yaml", "--seconds", "2", "--fresh")
    (p99,) = (item for item in found["verdicts"] if item["metric"] == "latency.p99")
    predicted, measured = service_time(first["measured"]), service_time(again["measured"])
    return {
        "model": Path(model).stem,
        "rate /s": rate,
        "p99 predicted ms": round(1000 * p99["predicted"], 3),
        "p99 measured ms": round(1000 * p99["measured"]["value"], 3),
        "p99 error": f"{p99['predicted'] / p99['measured']['value'] - 1:+.0%}",
        "inside interval": p99["low"] <= p99["measured"]["value"] <= p99["high"],
        "service predicted us": round(1e6 * predicted, 1),
        "service measured us": round(1e6 * measured, 1),
        "service error": f"{predicted / measured - 1:+.1%}",
    }


def main() -> None:
    """Print one line of JSON per variant and rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("intent", nargs="?", default=str(ROOT / "examples/digits/intent.yaml"))
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rates", default="100")
    options = parser.parse_args()
    source = Path(options.intent)
    models = yaml.safe_load(source.read_text())["spec"]["model"]["anyOf"]
    for model in models:
        for rate in map(float, options.rates.split(",")):
            print(json.dumps(compare(source, model, rate, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
