"""Whether two training jobs should share a GPU: decided from pairs that were measured, for pairs that were not.

python benchmarks/sharing.py FOLDER

FOLDER holds ``gavel_throughputs.csv`` (stanford-futuredata/gavel): steps per second of jobs alone on a GPU and beside
another job on it. Sharing is right where both rates, each by the rate alone, add up to more than 1; a rate of 0 says
that the pair does not fit. Each job, a model at a batch size, is held back with all pairs it is in. Decided is by what
most pairs of the same two models say, those of the nearest batch sizes counting most, those on other types of GPU
little. Pairs of models that were never seen together are not decided by rates alone: then sharing is chosen.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from heterogeneity import rows

ELSEWHERE = 6.0
"""How far another type of GPU is, in doublings of a batch size."""
WIDTH = 0.5
"""Doublings over which what a pair counts falls by a factor of e."""


class Job(NamedTuple):
    """A model at a batch size."""

    model: str
    batch: int


class Pair(NamedTuple):
    """gain: both rates, each by the rate alone, less 1"""

    gpu: str
    one: Job
    other: Job
    gain: float


def read_pairs(folder: Path) -> list[Pair]:
    """Return all pairs of which both jobs were measured alone too."""
    table = [row for row in rows(folder / "gavel_throughputs.csv") if row["set"] == "simulation" and row["batch"]]
    alone = {
        (row["gpu"], Job(row["model"], int(row["batch"]))): float(row["steps_per_s"])
        for row in table
        if not row["other_model"] and row["scale_factor"] == "1"
    }
    found = []
    for row in (row for row in table if row["other_batch"]):
        jobs = Job(row["model"], int(row["batch"])), Job(row["other_model"], int(row["other_batch"]))
        bases = [alone.get((row["gpu"], job)) for job in jobs]
        rates = float(row["steps_per_s"]), float(row["other_steps_per_s"])
        if bases[0] and bases[1]:
            found.append(Pair(row["gpu"], *jobs, rates[0] / bases[0] + rates[1] / bases[1] - 1))
    return found


def decided(pair: Pair, known: Sequence[Pair]) -> bool:
    """Say whether to share, by what is known; yes where nothing is."""
    total = 0.0
    for other in known:
        for own in ((other.one, other.other), (other.other, other.one)):
            if (own[0].model, own[1].model) != (pair.one.model, pair.other.model):
                continue
            far = sum(abs(math.log2(a.batch / b.batch)) for a, b in zip(own, (pair.one, pair.other), strict=True))
            far += ELSEWHERE * (other.gpu != pair.gpu)
            total += math.exp(-far / WIDTH) * (1 if other.gain > 0 else -1)
    return total >= 0


def held_back(pairs: Sequence[Pair]) -> tuple[int, int, int]:
    """Return how many decisions there are, how many are right, and how many always sharing would get right."""
    count = right = always = 0
    for job in sorted({job for pair in pairs for job in (pair.one, pair.other)}):
        known = [pair for pair in pairs if job not in (pair.one, pair.other)]
        for pair in (pair for pair in pairs if job in (pair.one, pair.other)):
            count += 1
            right += decided(pair, known) == (pair.gain > 0)
            always += pair.gain > 0
    return count, right, always


def main() -> None:
    """Print a row for all pairs, and one for those that fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    pairs = read_pairs(parser.parse_args().folder)
    print("| pairs | decisions held back | right | always sharing |\n|---|---:|---:|---:|")
    for name, own in (("all", pairs), ("that fit", [pair for pair in pairs if pair.gain > -1])):
        count, right, always = held_back(own)
        print(f"| {name} | {count} | {right / count:.1%} | {always / count:.1%} |")


if __name__ == "__main__":
    main()
