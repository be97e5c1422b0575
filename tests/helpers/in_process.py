"""Commands run in the tests' own process: a tenth of the time, where it does not matter whose process it is."""

import contextlib
import gc
import io
import os
import signal
import sys
from unittest import mock

from ran import Ran

from aios.cli.main import main


def run(place, arguments, environment=(), stdin="", *, together=False):
    """Run a command in a folder, with so much more in its environment, and return what is seen of it.

    together: what it says on standard error is among what it prints, as on a terminal
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    with (
        handlers_kept(),
        mock.patch.dict(os.environ, environment),
        contextlib.chdir(place),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out if together else err),
        mock.patch.object(sys, "stdin", given),
    ):
        try:
            main([str(word) for word in arguments])
        except SystemExit as done:
            code = int(done.code or 0)
    gc.unfreeze()
    return Ran(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


@contextlib.contextmanager
def handlers_kept():
    """Undo what a command does to signals: it ends ignoring them, and what is started next would inherit that."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
