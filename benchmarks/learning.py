"""How right predicted times per call are after one calibration of a machine: models and settings held back.

    aios calibrate --this-machine --budget 900          # in a folder of its own, on a quiet machine
    aios profile intents-of-some-models/                # the models to judge by
    python benchmarks/learning.py profiles .aios/cache/models

Prints, of models that were measured, the errors of predictions without a correction and with one, of the same calls:
from what aios' own samples alone teach, from what those and all other families teach, and of each setting from the
model's other settings too. A family is what is called alike up to the first digit or dash. Nothing is drawn by chance:
the same measurements give the same tables.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from aios import catalogue
from aios.cost.correcting.learn import Row, learn
from aios.cost.correcting.predict import corrected
from aios.records.correction import Correction
from aios.spi.executor import OPERATORS, SAMPLES
from aios.workflow.calibrations import load_calibrations
from aios.workflow.corrections import measured_rows
from aios.workflow.reading import fleet_of
from aios.workflow.setting import Setting, silent


class Told(NamedTuple):
    """Relative errors of one call, without a correction and with one, and whether its interval held."""

    row: Row
    before: float
    after: float
    inside: bool


def family_of(row: Row) -> str:
    """Return what a model is held back with."""
    return re.split(r"[\d-]", row.profile.name, maxsplit=1)[0] or row.profile.name


def is_sample(row: Row) -> bool:
    """Say whether aios made the model up to measure the machine with."""
    return row.profile.name.startswith((OPERATORS, SAMPLES))


def quantile(values: list[float], q: float) -> float:
    """Return a quantile, of the values themselves."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


def told(rows: list[Row], found: Correction | None, siblings: bool) -> Iterator[Told]:
    """Yield what is predicted of rows by what others teach, where plans without a correction say something too.

    found: what was learnt from others · siblings: other settings of the same model were measured
    """
    for row in rows:
        own = [other for other in rows if other.profile.digest == row.profile.digest]
        known = [(other.call, other.measured_s) for other in own if siblings and other is not row]
        plain = row.without_setting_s if siblings else row.without_model_s
        if found is None or plain is None or (siblings and not known):
            continue
        kind = "settings" if siblings else "models"
        always = found.model_copy(update={kind: getattr(found, kind).model_copy(update={"used": True})})
        rooflines = {other.call: other.roofline_s for other in own}
        interval = corrected(always, row.profile, row.call, known, rooflines.get)
        if interval is not None:
            inside = interval.low <= row.measured_s <= interval.high
            yield Told(row, abs(plain[1] / row.measured_s - 1), abs(interval.value / row.measured_s - 1), inside)


def table(title: str, every: list[Told], by: Callable[[Told], str]) -> None:
    """Print errors group by group, in Markdown."""
    print(f"\n| {title} | n | median before | p90 before | median | p90 | covered |\n|---|---|---|---|---|---|---|")
    groups: dict[str, list[Told]] = {}
    for item in every:
        groups.setdefault(by(item), []).append(item)
    for name, errors in [*sorted(groups.items()), ("all", every)]:
        if errors:
            before, after = [item.before for item in errors], [item.after for item in errors]
            held = sum(item.inside for item in errors) / len(errors)
            figures = (median(before), quantile(before, 0.9), median(after), quantile(after, 0.9), held)
            print(f"| {name} | {len(errors)} | {' | '.join(f'{100 * figure:.0f} %' for figure in figures)} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", type=Path, help="folder of measurements")
    parser.add_argument("models", type=Path, help="folder of kept profiles of model files")
    asked = parser.parse_args()
    types = fleet_of(Setting()).types
    known = load_calibrations([catalogue.root() / "calibrations"], silent)
    for (device, executor, engine), rows, _ in measured_rows(asked.profiles, asked.models, types, known):
        real = [row for row in rows if not is_sample(row)]
        families = {family_of(row) for row in real}
        print(f"{executor} ({engine}) on {device}: {len(rows)} times, {len(real)} of {len(families)} families judged")

        def learnt(without: Callable[[Row], bool], rows: list[Row] = rows) -> Correction | None:
            return learn("device", "executor", "engine", [row for row in rows if not without(row)], "")

        samples = learnt(lambda row: not is_sample(row))
        every = list(told(real, samples, siblings=False))
        table("from samples alone", every, lambda item: item.row.profile.name)
        table("from samples alone", every, lambda item: f"{item.row.call.kernels}, {item.row.call.threads} threads")
        others = []
        for family in sorted(families):
            own = [row for row in real if family_of(row) == family]
            others += list(told(own, learnt(own.__contains__), siblings=False))
        table("whole families held out", others, lambda item: family_of(item.row))
        table("settings held out", list(told(real, samples, siblings=True)), lambda item: item.row.profile.name)


if __name__ == "__main__":
    main()
