"""Runs that are killed: work in a child process, and a journal that kills the process it is written by."""

import os
import signal

from aios.state import RunJournal


class KillingJournal(RunJournal):
    """Fake: a journal that kills its own process at the n-th of its points, three for each line: before it, when its
    first bytes are on the disk and the rest never comes, and after it."""

    left = -1

    def record(self, event, **facts):
        self._point()
        if self.left == 0:
            with self.path.open("ab") as torn:
                torn.write(b'{"n":')
        self._point()
        super().record(event, **facts)
        self._point()

    def _point(self):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        type(self).left -= 1


def is_killed(work):
    """Run ``work`` in a child process; return whether it was killed. Fails where the child failed in another way."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL), "the child failed in another way"
        return status == signal.SIGKILL
    status = 99
    try:
        work()
        status = 0
    finally:
        os._exit(status)
