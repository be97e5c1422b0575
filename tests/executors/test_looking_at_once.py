"""Many looks side by side: what hangs or fails does so alone."""

from __future__ import annotations

import threading
import time

from aios.workflow.observing import at_once


def test_looks_wait_for_each_other_only_until_the_deadline() -> None:
    never = threading.Event()

    def fails() -> str:
        raise ValueError("no")

    def slow() -> str:
        time.sleep(0.2)
        return "late"

    work = {"hangs": lambda: str(never.wait(30)), "fails": fails, "quick": lambda: "now"}
    work |= {f"slow-{number}": slow for number in range(100)}
    begun = time.monotonic()
    found = at_once(work, 1.0)
    took = time.monotonic() - begun
    never.set()
    assert 1.0 <= took < 5.0, "a hundred times 0.2 s, side by side, and then the deadline"
    assert "hangs" not in found
    assert isinstance(found["fails"], ValueError)
    assert found["quick"] == "now"
    assert [found[f"slow-{number}"] for number in range(100)] == ["late"] * 100


def test_nothing_to_look_at_takes_no_time() -> None:
    assert at_once({}, 60.0) == {}
