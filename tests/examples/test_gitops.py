"""Intents in Git, end to end: a real bare remote, the runner script that is shipped, and a server in place of GitHub's.

Nothing runs: the intents are pinned to the executor that writes files, so a push takes a second.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from intents_in_git import FLEET, INTENT, WHO

from aios.workflow.keeping import load_state
from aios.workflow.setting import Setting

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "examples" / "gitops"


class FakeForge(ThreadingHTTPServer):
    """Stands in for the comments of GitHub and GitLab: the calls that comment.py makes, and nothing else."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Comments)
        self.comments = []
        self.is_github = True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def say(self, body, author=None):
        item = {"id": len(self.comments), "body": body}
        if self.is_github:
            whose = {"url": f"{self.url}/comment/{item['id']}", "user": {"login": author or "github-actions[bot]"}}
        else:
            whose = {"author": {"username": author or "robot"}}
        self.comments.append(item | whose)


class _Comments(BaseHTTPRequestHandler):
    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        sent = json.loads(self.rfile.read(size) or b"null")
        found = None
        assert "secret" in (self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN"))
        path, _, query = self.path.partition("?")
        if path == "/user":
            found = {"username": "robot"}
        elif self.command == "GET":
            page = int(query.rpartition("=")[2])
            found = self.server.comments[100 * (page - 1) : 100 * page]
        elif self.command == "POST":
            self.server.say(sent["body"])
        else:
            self.server.comments[int(path.rpartition("/")[2])]["body"] = sent["body"]
        text = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = answer

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def forge():
    server = FakeForge()
    yield server
    server.shutdown()
    server.server_close()


class Team:
    """A bare remote, a developer's clone, and a machine that checks commits out and runs the script."""

    def __init__(self, place, forge):
        self.place, self.forge, self.runs = place, forge, 0
        self.remote, self.desk = place / "remote.git", place / "desk"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": path}
        clean = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
        self.environment = clean | WHO | alone

    def do(self, where, *words, code=0, **more):
        done = subprocess.run(
            words, cwd=where, env=self.environment | more, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == code, f"{words} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def git(self, *words):
        return self.do(self.desk, "git", *words)

    def write(self, **intents):
        """Write intents with these rates; None removes one."""
        for name, rate in intents.items():
            path = self.desk / "intents" / f"{name}.yaml"
            if rate is None:
                path.unlink()
            else:
                path.write_text(INTENT.format(name=name, rate=rate))

    def push(self, branch, message="x"):
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", f"HEAD:{branch}")

    def ci(self, branch, *commands, code=0, reviewed=None, server=None):
        """Check a branch out as a pipeline does, and run the script. reviewed: folder of the plan that was reviewed"""
        self.runs += 1
        checkout = self.place / f"run-{self.runs}"
        self.do(self.place, "git", "clone", "-q", "--depth=2", "-b", branch, f"file://{self.remote}", str(checkout))
        if reviewed is not None:
            shutil.copytree(reviewed, checkout / "aios-plan")
        event = self.place / "event.json"
        event.write_text('{"pull_request": {"number": 7}}')
        said = []
        for index, command in enumerate(commands):
            last = index == len(commands) - 1
            said.append(
                self.do(
                    checkout,
                    "ci/run.sh",
                    *command.split(),
                    code=code if last else 0,
                    AIOS_STATE=str(self.place / "state" / "state.json"),
                    GITHUB_EVENT_PATH=str(event),
                    GITHUB_API_URL=server or self.forge.url,
                    GITHUB_REPOSITORY="team/workloads",
                    GITHUB_TOKEN="secret",
                )
            )
        return said[-1], checkout / "aios-plan"

    def stands(self):
        state = load_state(Setting(state=self.place / "state" / "state.json"))
        return {name: item.deployment.rate_per_s for name, item in state.resources.items()}


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """The folders of a team whose main branch has the intent `a`, which is applied."""
    team = Team(tmp_path_factory.mktemp("team"), None)
    team.do(team.place, "git", "init", "-q", "--bare", "-b", "main", "remote.git")
    team.do(team.place, "git", "clone", "-q", "remote.git", "desk")
    for folder in ("intents", "models", "ci"):
        (team.desk / folder).mkdir()
    for name in ("run.sh", "comment.py", "configmaps.py"):
        shutil.copy(SHIPPED / name, team.desk / "ci" / name)
    shutil.copy(ROOT / "examples" / "digits" / "models" / "digits-s.onnx", team.desk / "models" / "s.onnx")
    (team.desk / "fleet.yaml").write_text(FLEET)
    team.write(a=20)
    team.push("main")
    team.ci("main", "apply", server="http://127.0.0.1:9")
    assert team.stands() == {"a": 20}
    return team.place


@pytest.fixture
def team(founded, tmp_path, forge):
    """A copy of that team."""
    shutil.copytree(founded, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "run-1")
    team = Team(tmp_path, forge)
    team.git("remote", "set-url", "origin", str(team.remote))
    return team


def test_an_intent_goes_from_a_branch_to_what_stands_and_back(team, forge):
    team.git("checkout", "-q", "-b", "more")
    team.write(b=30)
    team.push("more", "serve b")
    team.ci("more", "plan HEAD^1", "comment")
    (said,) = forge.comments
    assert said["body"].startswith("<!-- aios:plan:intents-fleet.yaml -->\n### aios plan: 1 to create")
    assert "1 intent unchanged since HEAD^1" in said["body"]
    assert "#### `b`: create" in said["body"]
    team.write(b=40)
    team.push("more")
    _, reviewed = team.ci("more", "plan", "comment")
    assert [item["body"] for item in forge.comments] == [(reviewed / "comment.md").read_text()]
    assert team.stands() == {"a": 20}

    team.git("checkout", "-q", "main")
    team.git("merge", "-q", "--no-ff", "-m", "merge", "more")
    team.git("push", "-q", "origin", "main")
    team.ci("main", "apply", reviewed=reviewed)
    assert team.stands() == {"a": 20, "b": 40}
    team.ci("main", "drift")

    shutil.rmtree(team.place / "state" / "run" / "b")
    said, _ = team.ci("main", "drift", code=5)
    assert "b" in said

    team.git("revert", "--no-edit", "-m", "1", "HEAD")
    team.git("push", "-q", "origin", "main")
    team.ci("main", "apply")
    assert team.stands() == {"a": 20}
    team.ci("main", "drift")


def test_a_plan_that_grew_stale_is_applied_only_as_it_was_reviewed(team):
    team.git("checkout", "-q", "-b", "more")
    team.write(b=30)
    team.push("more")
    _, reviewed = team.ci("more", "plan")
    team.git("checkout", "-q", "main")
    team.git("merge", "-q", "--ff-only", "more")
    team.git("push", "-q", "origin", "main")
    # Something that has nothing to do with it is applied and taken back: the state is another, the change the same.
    team.do(team.desk, "aios", "destroy", "a", "--yes", "--state", str(team.place / "state" / "state.json"))
    said, _ = team.ci("main", "apply", code=4, reviewed=reviewed)
    assert "what would be done now is not what was reviewed" in said
    assert team.stands() == {}
    team.git("checkout", "-q", "HEAD^1")
    team.do(
        team.desk,
        *("aios", "apply", "intents", "--fleet", "fleet.yaml", "--yes"),
        *("--state", str(team.place / "state" / "state.json")),
    )
    said, _ = team.ci("main", "apply", reviewed=reviewed)
    assert "planning again" in said
    assert team.stands() == {"a": 20, "b": 30}
    team.ci("main", "apply", reviewed=reviewed)  # the job is run once more


def test_a_plan_that_does_not_fit_fails_and_says_why_in_the_comment(team):
    path = team.desk / "intents" / "a.yaml"
    path.write_text(path.read_text().replace("5 s", "1 us"))
    team.push("main")
    team.ci("main", "plan", code=3)
    (latest,) = team.place.glob("run-*/aios-plan/comment.md")
    assert "infeasible" in latest.read_text()
    path.write_text("kind: Intent\n")
    team.push("main")
    said, plan = team.ci("main", "plan", code=1)
    assert "intents/a.yaml" in said
    assert not list(plan.iterdir())


def test_what_main_asks_for_is_published_as_a_branch_that_changes_only_with_it(team):
    team.ci("main", "publish")
    team.git("fetch", "-q", "origin", "rendered")
    first = team.git("rev-parse", "FETCH_HEAD")
    listed = team.git("ls-tree", "-r", "--name-only", "FETCH_HEAD").split()
    assert listed == ["dryrun/a.json", "kubernetes/configmaps.yaml", "manifest.json"]
    manifest = yaml.safe_load(team.git("show", "FETCH_HEAD:kubernetes/configmaps.yaml"))
    (item,) = manifest["items"]
    assert item["kind"] == "ConfigMap"
    assert item["data"]["a.json"] == team.git("show", "FETCH_HEAD:dryrun/a.json")
    team.ci("main", "publish")
    team.git("fetch", "-q", "origin", "rendered")
    assert team.git("rev-parse", "FETCH_HEAD") == first
    team.write(a=None, b=10)
    team.push("main")
    team.ci("main", "publish")
    team.git("fetch", "-q", "origin", "rendered")
    assert "dryrun/b.json" in (listed := team.git("ls-tree", "-r", "--name-only", "FETCH_HEAD"))
    assert "dryrun/a.json" not in listed


@pytest.mark.parametrize("server", ["GitHub", "GitLab"])
def test_only_a_comment_of_ours_is_updated_and_only_where_it_changes(forge, tmp_path, server):
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 7}}')
    variables = {
        "GitHub": {
            "GITHUB_EVENT_PATH": "event.json",
            "GITHUB_API_URL": forge.url,
            "GITHUB_REPOSITORY": "a/b",
            "GITHUB_TOKEN": "secret",
        },
        "GitLab": {
            "GITLAB_CI": "1",
            "CI_API_V4_URL": forge.url,
            "CI_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_IID": "7",
            "GITLAB_TOKEN": "secret",
        },
    }[server]
    forge.is_github = server == "GitHub"

    def comment(text):
        (tmp_path / "c.md").write_text(f"<!-- aios:plan:x -->\n{text}\n")
        command = [sys.executable, str(SHIPPED / "comment.py"), "c.md"]
        env = {"PATH": os.environ["PATH"], **variables}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    for number in range(150):
        forge.say(f"talk {number}", author="somebody")
    forge.say("<!-- aios:plan:x -->\nall is well", author="mallory")
    assert comment("one") == "commented"
    assert comment("one") == "the comment says so already"
    assert comment("two") == "updated the comment"
    assert [item["body"] for item in forge.comments[150:]] == [
        "<!-- aios:plan:x -->\nall is well",
        "<!-- aios:plan:x -->\ntwo\n",
    ]
