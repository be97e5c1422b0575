"""One real service that is verified, renamed, lost by its state, taken over elsewhere and rolled back, never ended."""

import http.client
import json
import os
import shutil
import signal
import threading
import time
from urllib.parse import urlsplit

import pytest

from aios.cli.main import _run
from aios.state import RunJournal
from aios_plugins.onnxruntime import Executor


class Client:
    """Asks over one connection, and then over fresh ones, until it is told to stop."""

    def __init__(self, endpoint):
        self.place = urlsplit(endpoint).netloc
        self.answers, self.failures = 0, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(fresh,)) for fresh in (False, True)]

    def _ask(self, fresh):
        connection = None
        while not self._stop.wait(0.005):
            try:
                connection = connection or http.client.HTTPConnection(self.place, timeout=10)
                connection.request("GET", "/v2/health/ready")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(answer.status)
                self.answers += 1
                if fresh:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection = None
        if connection:
            connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def service(terminal):
    (item,) = terminal("status", "--json").json["resources"]
    return item["resource"], item["observed"]


def names(endpoint):
    """The model names that a service of ours answers to."""
    found = []
    for name in ("digits", "numbers"):
        connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
        connection.request("GET", f"/v2/models/{name}")
        if connection.getresponse().status == 200:
            found.append(name)
        connection.close()
    return found


@pytest.mark.usefixtures("fleet")
def test_one_process_all_the_way(aios, asked):
    aios.write("intent.yaml", asked())
    assert aios("apply", "intent.yaml", "--yes").code == 0
    resource, seen = service(aios)
    front, endpoint = resource["handle"]["pid"], seen["endpoint"]
    assert aios("verify", "--seconds", "1").code == 0
    assert "held" in aios("history").out
    assert aios("show", "@1", "--json").json["run"]["verdicts"]["digits"]

    with Client(endpoint) as client:
        time.sleep(0.1)
        aios.write("intent.yaml", asked(rate="30/s").replace("name: digits", "name: numbers, moved: {from: digits}"))
        renamed = aios("apply", "intent.yaml", "--yes")
        assert renamed.code == 0, renamed.err
        assert "clients call it numbers now" in renamed.out
        assert names(endpoint) == ["numbers"]
        back = aios("rollback", "@1", "--yes")
        assert back.code == 0, back.err
        assert names(endpoint) == ["digits"]
    assert client.failures == []
    assert client.answers > 20
    assert service(aios)[0]["handle"]["pid"] == front

    home = aios.place / ".aios"
    saved = aios("adopt", "other", "--endpoint", endpoint, "--yes")
    assert saved.code == 4
    assert "looked after already, as digits" in saved.err
    elsewhere = aios("adopt", "digits", "--endpoint", endpoint, "--yes", "--state", "new/state.json")
    assert elsewhere.code == 4, "the other state still has it"
    (home / "state.json").rename(home / "state.gone")
    (home / "state.json.backup").unlink()
    assert forged(aios, home / "run" / "digits", endpoint) == 1
    shutil.copytree(home / "run" / "digits", aios.place / "copied")
    copied = aios("adopt", "digits", "--folder", "copied", "--yes", "--state", "new/state.json")
    assert (copied.code, "it serves from another" in copied.err) == (1, True)
    aios.write("intent.yaml", asked())
    taken = aios("adopt", "digits", "intent.yaml", "--endpoint", endpoint, "--yes", "--state", "new/state.json")
    assert taken.code == 0, taken.err
    assert "next plan keep digits" in taken.out
    assert [path.name for path in (aios.place / "new" / "run").iterdir()] == ["digits"]
    assert not list((home / "run").iterdir())
    assert aios("drift", "--state", "new/state.json").code == 0
    kept = aios("apply", "intent.yaml", "--yes", "--state", "new/state.json")
    assert "keep digits: nothing changes" in kept.out
    assert (
        aios("status", "--json", "--state", "new/state.json").json["resources"][0]["resource"]["handle"]["pid"] == front
    )
    assert aios("destroy", "--yes", "--state", "new/state.json").code == 0
    assert aios.wait_until_alone() == []
    shutil.rmtree(home)


def forged(aios, folder, endpoint):
    """The exit code of adopting a service whose files hold another secret than it knows."""
    kept = (folder / "spec.json").read_text()
    (folder / "spec.json").write_text(json.dumps(json.loads(kept) | {"secret": "guessed"}))
    ran = aios("adopt", "digits", "--endpoint", endpoint, "--yes", "--state", "new/state.json")
    (folder / "spec.json").write_text(kept)
    assert "does not know the secret" in ran.err
    return ran.code


def killed_at(line, *arguments):
    """Run a command in a child that kills itself before it writes this line of its journal; return whether it did."""
    child = os.fork()
    if child == 0:
        real, left = RunJournal.record, [line]

        def record(self, *event, **facts):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, *event, **facts)

        RunJournal.record = record
        try:
            _run([*arguments])
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.usefixtures("fleet")
def test_killed_in_the_midst_of_a_rename_it_is_the_same_process_under_the_new_name(aios, asked, monkeypatch):
    monkeypatch.chdir(aios.place)
    aios.write("intent.yaml", asked())
    assert aios("apply", "intent.yaml", "--yes").code == 0
    front, before = service(aios)[0]["handle"]["pid"], "digits"
    for line in (3, 4, 5, 6):  # before it notes that it renames, changes and has changed it, and that it is done
        name = f"digits-{line}"
        aios.write("intent.yaml", asked().replace("name: digits", f"name: {name}, moved: {{from: {before}}}"))
        assert killed_at(line, "apply", "intent.yaml", "--yes"), "there is no such line"
        assert _run(["apply", "intent.yaml", "--yes"]) == 0
        state = json.loads((aios.place / ".aios" / "state.json").read_text())["state"]
        ((address, resource),) = state["resources"].items()
        condition = Executor().observe(address, resource["handle"]).condition
        assert (address, resource["handle"]["pid"], condition) == (name, front, "healthy")
        assert [path.name for path in (aios.place / ".aios" / "run").iterdir()] == [name]
        before = name
