"""The rules of state backends as tests: a backend's own tests subclass BackendConformance and provide one fixture.

    class TestMine(BackendConformance):
        @pytest.fixture
        def open_backend(self):
            url = ...a state that was never written...
            return lambda: mine.Kind().open(url)

Every rule stands alone and starts from nothing. Needs pytest, which aios itself does not depend on, and ``os.fork``.
"""

# ruff: noqa: D102 - the name of a rule is what it says

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from aios.records.errors import AiosError, ConflictError
from aios.records.history import Run, Step, Who
from aios.records.plan import Deployment
from aios.records.state import NEW, Resource, State
from aios.spi.backend import Backend, Held
from aios.spi.owner import Owner

__all__ = ["BackendConformance", "killed"]

Opener = Callable[[], Backend]

_NASTY = "a'b\"c\\d\n\t\x1b[31m;--$$%s{}é漢🙂\u2028"
"""Text that ends a quoted string, a line or an escape where somebody forgot to quote it."""


def _owner(purpose: str = "conformance", id: str = "") -> Owner:
    return Owner.here(purpose, "2026-01-01T00:00:00Z", id)


def _resource(address: str) -> Resource:
    deployment = Deployment(
        intent=address,
        task="image-classification",
        model=_NASTY,
        model_path="m.onnx",
        model_digest="sha256:1",
        precision="fp32",
        quantization="none",
        device="cpu",
        device_kind="cpu",
        batch=1,
        max_delay_s=0.0,
        threads=1,
        replicas=1,
        executor="files",
        placement=(),
        addresses={},
    )
    return Resource(
        address=address, executor="files", deployment=deployment, handle={"text": _NASTY}, plan="p", applied_at="2026"
    )


def _next(state: State, *addresses: str) -> State:
    resources = {address: _resource(address) for address in addresses}
    return state.model_copy(update={"serial": state.serial + 1, "resources": resources})


def _run(command: str = "apply", ended: str | None = None) -> Run:
    return Run(
        command=command,
        plan="p",
        who=Who(user="u", host="h", job=_NASTY),
        begun="2026",
        ended=ended,
        steps=(Step(address="a", action="create", status="done", note=_NASTY),),
        journal=1,
        lineage=NEW,
        serial_before=0,
    )


def killed(work: Callable[[], object]) -> None:
    """Do ``work`` in a child process that then kills itself, as a power cut or ``kill -9`` would."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, "the child failed before it was to be killed"


class BackendConformance:
    """The rules. Subclasses provide ``open_backend``: opens the same state, anew each time; at first there is none."""

    @pytest.fixture
    def open_backend(self) -> Opener:
        raise NotImplementedError("provide the fixture `open_backend`")

    def test_a_state_that_was_never_written_is_new_and_reading_makes_nothing(self, open_backend: Opener) -> None:
        for _ in range(2):
            with closing(open_backend()) as backend:
                assert backend.load() == State(lineage=NEW, serial=0)
                assert (list(backend.runs()), backend.plan_of(1), backend.state_after(1)) == ([], None, None)
                assert backend.holder() is None
                assert list(backend.lines().runs()) == []

    def test_what_is_saved_is_loaded_by_everybody_and_named_once(self, open_backend: Opener) -> None:
        with closing(open_backend()) as backend, backend.lock(_owner()):
            first = backend.save(_next(backend.load(), "a"))
            second = backend.save(_next(first, "a", "b"))
        assert first.lineage != NEW
        assert (second.lineage, second.serial) == (first.lineage, 2)
        with closing(open_backend()) as other:
            assert other.load() == second

    def test_what_does_not_follow_is_refused_and_changes_nothing(self, open_backend: Opener) -> None:
        with closing(open_backend()) as backend, backend.lock(_owner()):
            first = backend.save(_next(backend.load()))
            second = backend.save(_next(first, "a"))
            for wrong in (
                second,
                _next(first, "b"),
                second.model_copy(update={"serial": 4}),
                _next(second).model_copy(update={"lineage": "another"}),
                State(lineage=NEW, serial=1),
            ):
                with pytest.raises(ConflictError, match="not the one that was read"):
                    backend.save(wrong)
            assert backend.load() == second
        with closing(open_backend()) as other:
            assert other.load() == second

    def test_of_many_that_write_at_once_each_follows_the_one_before(self, open_backend: Opener) -> None:
        writers, rounds = 4, 3
        failed: list[BaseException] = []

        def write(name: str) -> None:
            try:
                for _ in range(rounds):
                    with closing(open_backend()) as backend, _patiently(backend, name):
                        state = backend.load()
                        backend.save(_next(state, *state.resources, f"{name}-{state.serial}"))
            except BaseException as error:  # noqa: BLE001 - told in the thread that runs the test
                failed.append(error)

        threads = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failed
        with closing(open_backend()) as backend:
            state = backend.load()
        assert state.serial == writers * rounds
        assert sorted(int(name.rpartition("-")[2]) for name in state.resources) == list(range(writers * rounds))

    def test_of_two_that_lock_one_holds_and_the_other_is_told_of_it(self, open_backend: Opener) -> None:
        with closing(open_backend()) as first, closing(open_backend()) as second:
            with first.lock(_owner("first", "id-1")) as lock:
                assert lock.notice is None
                with pytest.raises(Held, match="first") as caught, second.lock(_owner("second")):
                    pass
                told = caught.value.hold.owner
                assert told is not None
                assert (told.id, told.pid, told.host) == ("id-1", os.getpid(), os.uname().nodename)
                assert second.holder() == caught.value.hold
            with second.lock(_owner("second")) as lock:
                assert lock.notice is None
            assert first.holder() is None

    def test_a_lock_ends_with_an_exception(self, open_backend: Opener) -> None:
        with closing(open_backend()) as backend:
            with pytest.raises(KeyboardInterrupt), backend.lock(_owner()):
                raise KeyboardInterrupt
            with backend.lock(_owner()):
                pass

    def test_the_lock_of_a_killed_process_is_free_and_whose_it_was_is_told(self, open_backend: Opener) -> None:
        killed(lambda: open_backend().lock(_owner("the killed one")).__enter__())
        with closing(open_backend()) as backend:
            _wait_until(lambda: (hold := backend.holder()) is None or hold.alive is False)
            with backend.lock(_owner()) as lock:
                assert "the killed one" in (lock.notice or "")
            with backend.lock(_owner()) as lock:
                assert lock.notice is None

    def test_a_lock_that_was_released_from_outside_protects_nothing_and_lets_nothing_be_saved(
        self, open_backend: Opener
    ) -> None:
        with closing(open_backend()) as robbed, closing(open_backend()) as other:
            with robbed.lock(_owner("robbed")):
                state = robbed.save(_next(robbed.load(), "a"))
                other.release()
                assert other.holder() is None
                with other.lock(_owner("other")):
                    with pytest.raises(AiosError):
                        robbed.save(_next(state))
                    following = other.save(_next(state, "b"))
                    hold = other.holder()
            assert hold is not None
            assert hold.owner is not None
            assert hold.owner.purpose == "other"
            assert other.load() == following

    def test_leaving_a_lock_that_was_released_leaves_the_next_one_alone(self, open_backend: Opener) -> None:
        with closing(open_backend()) as robbed, closing(open_backend()) as other, closing(open_backend()) as third:
            lock = robbed.lock(_owner("robbed"))
            lock.__enter__()
            third.release()
            with other.lock(_owner("other")):
                lock.__exit__(None, None, None)
                with pytest.raises(Held, match="other"), third.lock(_owner("third")):
                    pass

    def test_lines_come_back_in_order_and_as_they_were(self, open_backend: Opener) -> None:
        texts = [_NASTY.replace("\n", "").encode(), b"{}", b"x" * 1_000_000]
        with closing(open_backend()) as backend, backend.lock(_owner()):
            for run in (1, 2, 10):
                lines = backend.lines()
                lines.begin(run)
                for text in texts[: 1 + run % 3]:
                    lines.append(text)
                lines.close()
        with closing(open_backend()) as other:
            lines = other.lines()
            assert list(lines.runs()) == [1, 2, 10]
            assert list(lines.read(2)) == texts
            assert list(lines.read(10)) == texts[:2]
            with other.lock(_owner()):
                lines.forget([1, 10])
            assert list(other.lines().runs()) == [2]
            assert all(lines.where(2) and lines.aside(2) for lines in [other.lines()])

    def test_what_was_appended_and_saved_survives_a_kill(self, open_backend: Opener) -> None:
        def work() -> None:
            backend = open_backend()
            backend.lock(_owner()).__enter__()
            backend.save(_next(backend.load(), "a"))
            backend.record(_run())
            lines = backend.lines()
            lines.begin(1)
            for number in range(3):
                lines.append(str(number).encode())

        killed(work)
        with closing(open_backend()) as backend:
            assert set(backend.load().resources) == {"a"}
            assert [run.outcome for run in backend.runs()] == ["running"]
            lines = backend.lines()
            assert list(lines.runs()) == [1]
            assert list(lines.read(1)) == [b"0", b"1", b"2"]

    def test_runs_are_numbered_replaced_and_kept_with_their_plan_and_what_they_left(self, open_backend: Opener) -> None:
        with closing(open_backend()) as backend, backend.lock(_owner()):
            first = backend.record(_run(), plan=_NASTY)
            state = backend.save(_next(backend.load(), "a"))
            ended = first.model_copy(update={"outcome": "complete", "ended": "2027", "serial_after": 1})
            assert backend.record(ended) == ended
            second = backend.record(_run("destroy"))
            last = backend.save(_next(state))
            backend.record(second.model_copy(update={"outcome": "failed", "ended": "2027"}))
            third = backend.record(_run())
        with closing(open_backend()) as other:
            assert [run.number for run in other.runs()] == [1, 2, 3]
            assert other.runs()[0] == ended
            assert [run.outcome for run in other.runs(last=2)] == ["failed", "running"]
            assert (other.plan_of(1), other.plan_of(2)) == (_NASTY, None)
            assert (other.state_after(1), other.state_after(2), other.state_after(3)) == (state, last, None)
            assert third.number == 3

    def test_measuring_afterwards_does_not_change_the_state_that_a_run_left(self, open_backend: Opener) -> None:
        with closing(open_backend()) as backend, backend.lock(_owner()):
            state = backend.save(_next(backend.load(), "a"))
            run = backend.record(_run(ended="2027"))
            backend.save(_next(state))
            backend.record(run.model_copy(update={"verdicts": {"a": ()}}))
            assert backend.state_after(1) == state
            assert backend.runs()[0].verdicts == {"a": ()}

    def test_a_state_that_is_put_back_goes_on_from_both(self, open_backend: Opener) -> None:
        with closing(open_backend()) as backend, backend.lock(_owner()):
            first = backend.save(_next(backend.load(), "a"))
            second = backend.save(_next(first))
            back = backend.restore(first)
            assert (back.serial, set(back.resources), back.lineage) == (3, {"a"}, first.lineage)
            foreign = backend.restore(second.model_copy(update={"lineage": "other", "serial": 40}))
            assert (foreign.serial, foreign.lineage) == (41, "other")
            assert backend.save(_next(foreign, "b")) == backend.load()

    def test_it_can_be_closed_twice_and_what_it_says_of_itself_is_short(self, open_backend: Opener) -> None:
        backend = open_backend()
        backend.lock(_owner()).__enter__()
        backend.close()
        backend.close()
        assert "\n" not in backend.place
        assert all("\n" not in text for text in backend.warnings())


def _patiently(backend: Backend, name: str) -> _Waiting:
    return _Waiting(backend, name)


class _Waiting:
    """The lock, tried until it is free."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend, self._name = backend, name

    def __enter__(self) -> None:
        end = time.monotonic() + 30
        while True:
            self._lock = self._backend.lock(_owner(self._name))
            try:
                self._lock.__enter__()
                return
            except Held:
                assert time.monotonic() < end, "the lock was never free"
                time.sleep(0.005)

    def __exit__(self, *_error: object) -> None:
        self._lock.__exit__(None, None, None)


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
