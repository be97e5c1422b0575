"""How right predicted times per call are after one calibration of a machine: models and settings held back.

    aios calibrate --this-machine --budget 300          # in a folder of its own, on a quiet machine
    aios profile intents-of-some-models/                # the models to judge by
    python benchmarks/learning.py profiles .aios/cache/models

Prints, of models that were measured: the errors of predictions from what sample networks alone teach (held out as a
whole), and of each setting from the model's other settings too. Nothing is drawn by chance: the same measurements give
the same table.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import median

from aios import catalogue
from aios.cost.correcting.learn import Row, learn
from aios.cost.correcting.predict import corrected
from aios.records.correction import Correction
from aios.workflow.calibrations import load_calibrations
from aios.workflow.corrections import measured_rows
from aios.workflow.reading import fleet_of
from aios.workflow.setting import Setting, silent

_SAMPLE = "sample-"


def quantile(values: list[float], q: float) -> float:
    """Return a quantile, of the values themselves."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


def told(
    rows: list[Row], held: str, found: Correction | None, siblings: bool
) -> list[tuple[float, float | None, bool]]:
    """Return, of a model's rows, the error with the correction and without, and whether the interval held.

    found: what sample networks teach
    """
    own = [row for row in rows if row.profile.digest == held]
    errors = []
    for row in own:
        known = [(other.call, other.measured_s) for other in own if siblings and other is not row]
        rooflines = {other.call: other.roofline_s for other in own}
        if found is None or (siblings and not known):
            continue
        used = found.settings if siblings else found.models
        always = used.model_copy(update={"used": True})
        found = found.model_copy(update={"settings" if siblings else "models": always})
        interval = corrected(found, row.profile, row.call, known, rooflines.get)
        plain = row.without_setting_s if siblings else row.without_model_s
        before = abs(plain[1] / row.measured_s - 1) if plain else None
        if interval is not None:
            inside = interval.low <= row.measured_s <= interval.high
            errors.append((abs(interval.value / row.measured_s - 1), before, inside))
    return errors


def line(name: str, errors: list[tuple[float, float | None, bool]]) -> str:
    """Return a row of the table, in Markdown."""
    after = [item[0] for item in errors]
    before = [item[1] for item in errors if item[1] is not None]
    plain = f"{100 * median(before):.0f} % | {100 * quantile(before, 0.9):.0f} %" if before else "- | -"
    held = 100 * sum(item[2] for item in errors) / len(errors)
    return (
        f"| {name} | {len(errors)} | {plain} | {100 * median(after):.0f} % | {100 * quantile(after, 0.9):.0f} % "
        f"| {held:.0f} % |"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", type=Path, help="folder of measurements")
    parser.add_argument("models", type=Path, help="folder of kept profiles of model files")
    asked = parser.parse_args()
    types = fleet_of(Setting()).types
    known = load_calibrations([catalogue.root() / "calibrations"], silent)
    for (device, executor, engine), rows in measured_rows(asked.profiles, asked.models, types, known):
        real = {row.profile.digest: row.profile.name for row in rows if not row.profile.name.startswith(_SAMPLE)}
        print(f"{executor} ({engine}) on {device}: {len(rows)} times, {len(real)} models judged")
        samples = [row for row in rows if row.profile.digest not in real]
        learnt = learn("device", "executor", "engine", samples, "")
        for what, siblings in (("whole models held out", False), ("settings held out", True)):
            print(
                f"\n| {what} | n | median before | p90 before | median | p90 | covered |\n|---|---|---|---|---|---|---|"
            )
            found = {name: told(rows, digest, learnt, siblings) for digest, name in real.items()}
            for name, errors in sorted(found.items()):
                if errors:
                    print(line(name, errors))
            every = [item for errors in found.values() for item in errors]
            if every:
                print(line("all", every))


if __name__ == "__main__":
    main()
