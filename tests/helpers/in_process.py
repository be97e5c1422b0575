"""Commands run in the tests' own process: a tenth of the time, where it does not matter whose process it is."""

import contextlib
import gc
import io
import os
import sys
from dataclasses import dataclass
from typing import Any
from unittest import mock

from ran import Ran

from aios.cli.main import main


@dataclass(frozen=True)
class InProcess:
    """Runs commands in the folder of a terminal of the command-line tests."""

    terminal: Any

    @property
    def place(self):
        return self.terminal.place

    def write(self, name, text):
        return self.terminal.write(name, text)

    def __call__(self, *arguments, stdin="", **environment):
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        with (
            mock.patch.dict(os.environ, environment),
            contextlib.chdir(self.place),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.object(sys, "stdin", given),
        ):
            try:
                main([str(word) for word in arguments])
            except SystemExit as done:
                code = int(done.code or 0)
        gc.unfreeze()
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        return Ran(code, *texts)
