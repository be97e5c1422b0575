"""demo: the whole story on one example, told by the commands that a user would type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aios import catalogue
from aios.cli.exits import Exit
from aios.cli.words import Ink
from aios.records.errors import Diagnostic, InputError, WorldError

__all__ = ["demo"]

_REQUESTS = 5


def demo(folder: Path | None) -> int:
    """Run the story in a temporary folder; what it started is removed whatever happens."""
    example = (folder or catalogue.root() / "examples" / "digits").absolute()
    intent = example / "intent.yaml"
    if not intent.is_file():
        raise InputError(
            Diagnostic(
                summary=f"there is no example at {example}",
                reason="the examples live in the source checkout, not in the installed package",
                command="aios demo FOLDER",
            )
        )
    with tempfile.TemporaryDirectory(prefix="aios-demo-") as place:
        story = _Story(Path(place))
        try:
            _tell(story, example, intent)
        finally:
            story.quietly("destroy", "--yes")
    return Exit.DONE


def _tell(story: _Story, example: Path, intent: Path) -> None:
    story.say("What is there to run on? `init` looks at this machine and writes fleet.yaml.")
    story.run("init")
    story.say("A first plan needs no measurement: it rests on estimates, and says so.")
    story.run("plan", str(intent), "--fleet", "fleet.yaml", allowed=(Exit.DONE, Exit.INFEASIBLE))
    story.say("Now measure the candidates that could win here.")
    story.run("profile", str(intent), "--fleet", "fleet.yaml", allowed=(Exit.DONE, Exit.INFEASIBLE))
    story.say("The same plan again, resting on measurements. It is saved: that is what will be carried out.")
    story.run("plan", str(intent), "--fleet", "fleet.yaml", "-o", "plan.json")
    story.say("Apply carries out exactly the saved plan.")
    story.run("apply", "plan.json")
    story.say("The service speaks the Open Inference Protocol v2. A few requests:")
    _ask(story, example)
    story.say("Is the promise kept? `verify` puts the stated load on it and measures.")
    story.run("verify", "--seconds", "10", allowed=(Exit.DONE, Exit.BROKEN))
    story.say("An intent that cannot be met says why, and what would do.")
    if (example / "impossible.yaml").is_file():
        story.run("plan", str(example / "impossible.yaml"), "--fleet", "fleet.yaml", allowed=(Exit.INFEASIBLE,))
    story.say("And away with it.")
    story.run("destroy", "--yes")


class _Story:
    """Runs commands in one folder and shows them as they would be typed."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._ink = Ink(sys.stdout)

    def say(self, text: str) -> None:
        """Tell what comes next."""
        print(f"\n{self._ink(text, 'cyan', 'bold')}", flush=True)

    def run(self, *arguments: str, allowed: Sequence[int] = (Exit.DONE,)) -> None:
        """Run ``aios`` as a user would. Raises WorldError when it exits with another code than ``allowed``."""
        print(self._ink(f"$ aios {' '.join(arguments)}", "dim"), flush=True)
        code = subprocess.run(self._command(arguments), cwd=self._place, check=False).returncode
        if code not in allowed:
            raise WorldError(f"the demo stopped: `aios {arguments[0]}` ended with exit code {code}")

    def quietly(self, *arguments: str) -> str:
        """Run ``aios`` and return what it printed, whatever came of it."""
        done = subprocess.run(
            self._command(arguments), cwd=self._place, check=False, capture_output=True, text=True, env=os.environ
        )
        return done.stdout

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "aios.cli.main", *arguments]


def _ask(story: _Story, example: Path) -> None:
    """Send a few evaluation items to what was applied, and print the answers beside the truth."""
    import numpy as np

    standing = json.loads(story.quietly("status", "--json"))["resources"][0]
    endpoint, name = standing["observed"]["endpoint"], standing["resource"]["address"]
    print(f"$ curl {endpoint}/v2/models/{name}/infer -d '{{\"inputs\": [...]}}'")
    metadata = _get(f"{endpoint}/v2/models/{name}")
    spec = metadata["inputs"][0]
    with np.load(example / Path(standing["resource"]["evaluate"][0]).name) as data:
        items, labels = data[spec["name"]], data["label"]
    for item, label in zip(items[:_REQUESTS], labels[:_REQUESTS], strict=True):
        tensor = {"name": spec["name"], "shape": [1, *item.shape], "datatype": spec["datatype"]}
        body = {"inputs": [{**tensor, "data": item.astype("float32").ravel().tolist()}]}
        answer = _get(f"{endpoint}/v2/models/{name}/infer", json.dumps(body).encode())
        guess = int(np.argmax(answer["outputs"][0]["data"]))
        print(f"  a {label}: answered {guess}")


def _get(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310  # our own loopback endpoint
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # our own loopback endpoint
        return json.load(answer)
