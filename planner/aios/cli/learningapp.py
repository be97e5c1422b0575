"""Commands that measure candidates and learn from measurements. Each one imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import PROFILES, STATE, Fleet, Json, JsonInto, Paths, Profiles, State, Yes, setting_of
from aios.cli.options import seconds as seconds_of

__all__ = ["learning_app"]

learning_app = typer.Typer()

_EACH_S = 0.3
"""Seconds for each setting of a sample network: some dozen calls of it."""


@learning_app.command(epilog="Example: aios profile examples/digits/intent.yaml --budget 60s")
def profile(
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    seconds: Annotated[float, typer.Option("--seconds", min=0.05, help="Time for each engine setting, at most.")] = 1.0,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", metavar="TIME", parser=seconds_of, help="End after this time, and cut off what is under way."
        ),
    ] = None,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Measure everything, also what cannot change the choice.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what has been measured before.")] = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Measure on this machine what could change the choice, until it is proved; keep it in the profile store."""
    from aios.cli.measuring import profile as work
    from aios.workflow.profiled import Manner

    setting = setting_of(paths, fleet, state, profiles)
    return work(setting, Manner(seconds, budget, fresh, exhaustive), json=json, json_into=json_into)


@learning_app.command(epilog="Example: aios fidelity --data measurements/ --level calibrated")
def fidelity(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of measured tables (CSV), or one of them.")
    ] = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Instead: predictions that were checked by measurements (see --profiles).")
    ] = False,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="Of --ledger, group by model, device, executor, metric, source, precision or by."),
    ] = None,
    profiles: Profiles = PROFILES,
    table: Annotated[str | None, typer.Option("--table", metavar="GLOB", help="Only tables called like this.")] = None,
    level: Annotated[
        list[str] | None, typer.Option("--level", help="zero-shot, calibrated or profiled; repeatable. Default: all.")
    ] = None,
    predictor: Annotated[str | None, typer.Option("--predictor", help="Only what this one predicts.")] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="OLD.json", help="Say what changed since this report.")
    ] = None,
    regret: Annotated[bool, typer.Option("--regret/--no-regret", help="Also decide by predictions.")] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the intents that are drawn.")] = 0,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Predict rows of measured tables that were held back; print errors, coverage, and what decisions would cost."""
    if ledger == (data is not None):
        from aios.records.errors import UsageError

        raise UsageError("name either --data or --ledger")
    if data is None:
        from aios.cli.ledger import ledger as tell

        groups = by or ["model", "device", "executor", "metric", "source"]
        return tell(setting_of([], None, STATE, profiles), groups, against, json=json, json_into=json_into)
    from aios.cli.fidelity import fidelity as work
    from aios.workflow.fidelity import request

    asked = request(data, table, tuple(level or ()), predictor, regret, seed)
    return work(asked, against=against, json=json, json_into=json_into)


@learning_app.command(epilog="Example: aios calibrate --device nvidia-t4 --table measured.csv")
def calibrate(
    device: Annotated[str | None, typer.Option("--device", help="Device that the table measured.")] = None,
    table: Annotated[Path | None, typer.Option("--table", metavar="FILE", help="Measured table, or a folder.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of measured tables, to learn of all its devices.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Of --data learn what devices have in common as well, anew.")
    ] = False,
    from_profiles: Annotated[
        bool, typer.Option("--from-profiles", help="Learn from what was measured on this machine (see --profiles).")
    ] = False,
    this_machine: Annotated[
        bool, typer.Option("--this-machine", help="Measure sample networks here, and learn from all measured here.")
    ] = False,
    budget: Annotated[
        float, typer.Option("--budget", min=0.0, help="Seconds for --this-machine; 0 only learns from profiles.")
    ] = 600.0,
    profiles: Profiles = PROFILES,
    predictor: Annotated[str | None, typer.Option("--predictor", help="Only this one.")] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where to write; plans read <profiles>/calibrations.")
    ] = PROFILES / "calibrations",
    fleet: Fleet = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Learn from measured rows what devices really reach; write small, readable files that plans use."""
    if this_machine:
        from aios.cli.ledger import calibrate_machine

        if device or table or data or from_profiles or from_scratch or predictor:
            from aios.records.errors import UsageError

            raise UsageError("--this-machine learns from what is measured here: name no other source")
        setting = setting_of([], fleet, STATE, profiles)
        return calibrate_machine(setting, budget, _EACH_S, 0, json=json, json_into=json_into)
    from aios.cli.calibrating import calibrate as work
    from aios.workflow.fidelity import one_predictor
    from aios.workflow.saving import see_place

    one_predictor(predictor)
    see_place(out / "*.yaml", made=True)
    own = profiles if from_profiles else None
    where = (device, table, data, own, predictor, out, fleet)
    return work(*where, from_scratch=from_scratch, json=json, json_into=json_into)


@learning_app.command(epilog="Example: aios tune digits examples/digits/intent.yaml --explore 3 --yes")
def tune(
    address: Annotated[str, typer.Argument(help="Address of what stands.")],
    paths: Paths = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    explore: Annotated[int, typer.Option("--explore", min=1, help="Candidates to try at most.")] = 3,
    budget: Annotated[float, typer.Option("--budget", min=0.0, help="Seconds after which no other is tried.")] = 600.0,
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, help="Load that each is measured under.")] = 10.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the load and of the choice.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be tried.")] = False,
    yes: Yes = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Where what stands disappoints, try the next best within the intent; keep what measured better, else go back."""
    from aios.cli.tuning import tune as work
    from aios.workflow.tuning import Limits

    setting, limits = setting_of(paths, fleet, state, profiles), Limits(explore, budget, seconds, seed)
    return work(setting, address, limits, dry_run=dry_run, yes=yes, json=json, json_into=json_into)
