"""Commands about the state itself: its history and its lock. Each one imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import (
    PARALLELISM,
    PROFILES,
    STATE,
    EncryptKey,
    Every,
    Expires,
    Fleet,
    Json,
    JsonInto,
    LockId,
    LockTimeout,
    Parallelism,
    Paths,
    Policies,
    Profiles,
    SignKey,
    SignPassphrase,
    State,
    VerifyKey,
    Yes,
    setting_of,
    to_write,
)

__all__ = ["state_app", "state_group"]

state_app = typer.Typer()
state_group = typer.Typer(help="Copy the state out of where it is kept, and put one back.", no_args_is_help=True)


@state_group.command(epilog="Example: aios state pull -o state-copy.json")
def pull(
    state: State = STATE,
    run: Annotated[
        int | None, typer.Option("--run", min=1, metavar="N", help="As run @N of the history left it. Default: now.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", callback=to_write, help="Write it to a file.")
    ] = None,
) -> int:
    """Print the state as one JSON document, fit to be put back with `state push`."""
    from aios.cli.copying import pull as work

    return work(setting_of(None, None, state), run, out)


@state_group.command(epilog="Example: aios state push state-copy.json --state postgresql://db.example.org/aios")
def push(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `state pull` wrote; - reads standard input.")],
    state: State = STATE,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also where it is older, of another lineage, or what is kept is damaged."),
    ] = False,
    lock_timeout: LockTimeout = 0.0,
    lock_id: LockId = None,
    json: Json = False,
) -> int:
    """Put a state in place of what is kept: to move it to another place, or to go back to a copy."""
    from aios.cli.copying import push as work

    return work(setting_of(None, None, state, lock=(lock_timeout, lock_id)), file, force=force, json=json)


@state_group.command(epilog="Example: aios state restore --yes")
def restore(
    state: State = STATE,
    run: Annotated[
        int | None,
        typer.Option("--run", min=1, metavar="N", help="As run @N of the history left it. Default: the last one."),
    ] = None,
    lock_timeout: LockTimeout = 0.0,
    lock_id: LockId = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Put back the state as a run left it. It changes what aios believes, not what runs: plan afterwards."""
    from aios.cli.copying import restore as work

    return work(setting_of(None, None, state, lock=(lock_timeout, lock_id)), run, yes=yes, json=json)


@state_app.command(epilog="Example: aios history read-digits --limit 5")
def history(
    address: Annotated[
        str | None, typer.Argument(metavar="[ADDRESS]", help="Only what was done with this service.")
    ] = None,
    state: State = STATE,
    last: Annotated[
        int | None,
        typer.Option("--last", "--limit", "-n", min=1, metavar="N", help="Only the last N runs; all by default."),
    ] = None,
    json: Json = False,
) -> int:
    """List what was applied and destroyed, newest first: when, by whom, from which plan, and what came of it."""
    from aios.cli.history import history as work

    return work(setting_of(None, None, state), address, last=last, json=json)


@state_app.command(epilog="Examples: aios rollback @2, or: aios rollback @2 -o plan.json")
def rollback(
    run: Annotated[str, typer.Argument(metavar="@N", help="Run of the history whose plan is to stand again; @-2.")],
    fleet: Fleet = None,
    state: State = STATE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", callback=to_write, help="Save the plan for `apply`, and carry nothing out."
        ),
    ] = None,
    expires: Expires = None,
    sign_key: SignKey = None,
    sign_passphrase: SignPassphrase = None,
    encrypt_key: EncryptKey = None,
    verify_key: VerifyKey = None,
    policy: Policies = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="With -o: exit 2 when there are changes, 0 when there are none.")
    ] = False,
    lock_timeout: LockTimeout = 0.0,
    lock_id: LockId = None,
    parallelism: Parallelism = PARALLELISM,
    every: Every = False,
    yes: Yes = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Go back to what an earlier run wanted: planned against what stands now, shown, asked about, carried out."""
    from aios.cli.goingback import rollback as work
    from aios.workflow.manner import Manner
    from aios.workflow.planfiles import Keeping

    setting = setting_of(None, fleet, state, lock=(lock_timeout, lock_id), policies=policy)
    return work(
        setting,
        Manner(parallelism),
        run,
        out=out,
        keeping=Keeping(expires, sign_key, sign_passphrase, encrypt_key),
        verify_key=verify_key,
        detailed=detailed_exitcode,
        every=every,
        yes=yes,
        json=json,
        json_into=json_into,
    )


@state_app.command(epilog="Example: aios adopt read-digits intent.yaml --endpoint http://127.0.0.1:8000")
def adopt(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Name of the intent that it serves.")],
    paths: Paths = None,
    executor: Annotated[
        str, typer.Option("--executor", metavar="NAME", help="What made it: `aios plugins` lists them.")
    ] = "onnxruntime",
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="Where it answers, on this machine.")
    ] = None,
    folder: Annotated[str | None, typer.Option("--folder", metavar="DIR", help="Folder of its files.")] = None,
    handle: Annotated[
        str | None, typer.Option("--handle", metavar="JSON", help="As a state had it: `aios status --json`.")
    ] = None,
    fleet: Fleet = None,
    state: State = STATE,
    profiles: Profiles = PROFILES,
    lock_timeout: LockTimeout = 0.0,
    lock_id: LockId = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Take over something that runs already, as it runs: after a state was lost, or from one that nobody uses."""
    from aios.cli.adopting import adopt as work
    from aios.cli.adopting import hint_of

    setting = setting_of(paths, fleet, state, profiles, lock=(lock_timeout, lock_id))
    return work(setting, address, executor, hint_of(endpoint, folder, handle), yes=yes, json=json)


@state_app.command(epilog="Example: aios unlock 4f1c9a2b7d30 --yes")
def unlock(
    lock: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The lock to release; whichever there is by default.")
    ] = None,
    state: State = STATE,
    force: Annotated[
        bool, typer.Option("--force", help="Release it although the run that holds it is still at work.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Say who holds the state's lock, and release it from a run that cannot do so itself."""
    from aios.cli.unlocking import unlock as work

    return work(setting_of(None, None, state), lock, force=force, yes=yes, json=json)
