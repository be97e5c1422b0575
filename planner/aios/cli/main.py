"""The entry point: runs the command and turns whatever happens into words and an exit code."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from aios.cli import telemetry
from aios.workflow import stopping

__all__ = ["main"]


class _Stopped(BaseException):
    """A signal asks to stop: unwind, so that nothing is left half-done.

    Ctrl-C too: on KeyboardInterrupt typer would end the command without a word.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``aios`` with ``arguments`` (the process's own by default) and exit."""
    for number in stopping.WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` and shells' background jobs want it
            signal.signal(number, _stop)
    _open_streams()
    # No pydantic plugin is used; looking for them reads what every installed distribution says of itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Records are many and hold no cycles: looking for cycles often took a third of a large plan's time.
    gc.set_threshold(200_000)
    given = list(sys.argv[1:] if arguments is None else arguments)
    ended_by: BaseException | None = None
    try:
        code = _run(given)
        sys.stdout.flush()
    except OSError as error:
        # Keep Python from flushing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _say_unwritten(error)
    except _Stopped as stopped:
        ended_by, code = stopped, _say_stopped(stopped.number, given)
    # All is said and done: a signal that comes now must not change how the command is seen to have ended.
    for number in stopping.WORDS:
        signal.signal(number, signal.SIG_IGN)
    telemetry.end(code, ended_by)
    # Everything ends with the process: looking once more for cycles would take a fifth of a short command's time.
    gc.freeze()
    sys.exit(code)


def _stop(number: int, _frame: FrameType | None) -> None:
    solving = sys.modules.get("aios.solve.interrupting")
    if number == signal.SIGINT and solving is not None and solving.interrupt():
        print("interrupted: this is the best so far; once more stops at once", file=sys.stderr)
        return
    if stopping.note(number):
        print(
            f"{stopping.WORDS[signal.Signals(number)]}: ending what is under way; once more stops at once",
            file=sys.stderr,
        )
        return
    # What was being built when the signal came may complain of that as it is thrown away: nobody need know.
    sys.unraisablehook = lambda _: None
    raise _Stopped(number)


_RESUMED = {"apply", "destroy", "profile"}
"""Commands that keep what they have done: given again, they do the rest."""


def _say_stopped(number: int, arguments: Sequence[str]) -> int:
    goes_on = "goes on from here" if _RESUMED.intersection(arguments[:1]) else "starts over"
    print(f"{stopping.WORDS[signal.Signals(number)]}: nothing is lost; the same command {goes_on}", file=sys.stderr)
    return 128 + number


def _open_streams() -> None:
    """Let talk go nowhere where the caller closed a stream (`>&-`), and spell out what the stream's encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_UNWRITTEN = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _is_unwritten(error: Exception) -> bool:
    """Say whether standard output takes no more; of files that have a name, whoever writes them tells."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITTEN


def _say_unwritten(error: OSError) -> int:
    from aios.cli.exits import Exit

    if isinstance(error, BrokenPipeError):
        return Exit.DONE  # the reader of our output went away (`aios plan | head`): not an error of ours
    print(f"error: standard output cannot be written: {error.strerror}", file=sys.stderr)
    return Exit.WORLD


def _run(arguments: list[str]) -> int:
    from aios.cli.app import run

    try:
        return run(telemetry.begin(arguments))
    except Exception as error:  # the last resort: what is no AiosError is a bug, and says so
        number = stopping.asked()
        if number is not None:
            raise _Stopped(number) from error
        if _is_unwritten(error):
            raise
        return _say_error(error, arguments)


def _say_error(error: Exception, arguments: list[str]) -> int:
    import traceback

    from aios.cli.exits import Exit, exit_of
    from aios.cli.words import discreet, print_diagnostics
    from aios.records.errors import AiosError
    from aios.workflow.stages import note

    if isinstance(error, AiosError):
        for item in error.diagnostics:
            note("error", "error", **item.model_dump(mode="json", exclude_none=True, exclude={"line_text"}))
        print_diagnostics(error.diagnostics, every="--all" in arguments)
        if "--json" in arguments:
            from aios.cli.output import as_json

            told = [discreet(item) for item in error.diagnostics]
            sys.stdout.write(as_json({"errors": told, "exit_code": exit_of(error)}))
        return exit_of(error)
    note("bug", "error", traceback="".join(traceback.format_exception(error)))
    _say_bug(arguments)
    return Exit.BUG


def _say_bug(arguments: list[str]) -> None:
    import shlex
    import traceback

    from aios import __version__
    from aios.cli.words import harmless
    from aios.records.secrets import masked

    command = harmless(masked(shlex.join(["aios", *arguments])))
    print(masked(traceback.format_exc()), end="", file=sys.stderr)
    print(
        f"this is a bug in aios {__version__}: please report it with the lines above and the command `{command}`",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
