"""Write a plan's comment on the pull request or merge request that a pipeline runs for, or update the one there is.

The first line of the file is a hidden mark; the comment of ours that begins with it is the one that is updated: one of
somebody else that does is left alone. Ours are those of AIOS_BOT (GitHub, by default github-actions[bot]), or of the
token's user (GitLab). Works with the variables that GitHub Actions and GitLab CI set, and needs a token: GITHUB_TOKEN
(``pull-requests: write``), or GITLAB_TOKEN (scope ``api``). Prints what it did. Exits 6 where the server refuses.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PER_PAGE = 100


def main() -> int:
    """Write or update the comment in the file that is named."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    mark = text.splitlines()[0]
    url, headers = forge()
    try:
        author = me(headers)
        ours = (item for item in comments(url, headers) if author_of(item) == author)
        found = next((item for item in ours if item["body"].startswith(mark)), None)
        if found is None:
            call("POST", url, headers, {"body": text})
            print("commented")
        elif found["body"].strip() == text.strip():
            print("the comment says so already")
        else:
            # GitHub updates a comment by its own address, GitLab below the merge request.
            place = found.get("url") or f"{url}/{found['id']}"
            call("PATCH" if "url" in found else "PUT", place, headers, {"body": text})
            print("updated the comment")
    except (urllib.error.URLError, OSError) as error:
        print(f"error: {url} did not take the comment: {error}", file=sys.stderr)
        return 6
    return 0


def forge() -> tuple[str, dict[str, str]]:
    """Return the address of the comments, and the headers that let us in."""
    env = os.environ
    if env.get("GITLAB_CI"):
        project, request = urllib.parse.quote(env["CI_PROJECT_ID"], safe=""), env["CI_MERGE_REQUEST_IID"]
        url = f"{env['CI_API_V4_URL']}/projects/{project}/merge_requests/{request}/notes"
        return url, {"PRIVATE-TOKEN": env["GITLAB_TOKEN"]}
    event = json.loads(Path(env["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    url = f"{env['GITHUB_API_URL']}/repos/{env['GITHUB_REPOSITORY']}/issues/{event['pull_request']['number']}/comments"
    return url, {"Authorization": f"Bearer {env['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}


def me(headers: dict[str, str]) -> str:
    """Return whose comments are ours."""
    if os.environ.get("GITLAB_CI"):
        return str(call("GET", f"{os.environ['CI_API_V4_URL']}/user", headers)["username"])
    return os.environ.get("AIOS_BOT", "github-actions[bot]")


def author_of(item: dict[str, Any]) -> str:
    """Return who wrote a comment."""
    return str(item["user"]["login"] if "user" in item else item["author"]["username"])


def comments(url: str, headers: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the comments that are there, page by page."""
    page = 1
    while True:
        found = call("GET", f"{url}?per_page={PER_PAGE}&page={page}", headers)
        yield from found
        if len(found) < PER_PAGE:
            return
        page += 1


def call(method: str, url: str, headers: dict[str, str], body: dict[str, str] | None = None) -> Any:
    """Ask the server, and return what it answers."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {**headers, "Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


if __name__ == "__main__":
    sys.exit(main())
