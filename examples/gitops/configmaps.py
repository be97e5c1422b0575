"""Print files that aios rendered as Kubernetes ConfigMaps: a list in JSON, which is YAML as well.

``configmaps.py FOLDER`` reads what `aios render --into FOLDER` wrote. Without a folder the intents of AIOS_INTENTS are
rendered on AIOS_FLEET into a temporary one; that plan is made from nothing, so that the same commit gives the same
manifests. The ConfigMaps are named by ARGOCD_APP_NAME, which Argo CD sets.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> int:
    """Print the files of the folder that is named, or render them first."""
    if len(sys.argv) > 1:
        return print_files(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as place:
        intents, fleet = os.environ.get("AIOS_INTENTS", "intents"), os.environ.get("AIOS_FLEET", "fleet.yaml")
        command = ["aios", "render", intents, "--fleet", fleet, "--state", f"{place}/state.json", "--into", place]
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        return done.returncode or print_files(Path(place))


def print_files(folder: Path) -> int:
    """Print the files that the folder's index names."""
    app = os.environ.get("ARGOCD_APP_NAME", "aios")
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    items = [config_map(app, path, (folder / path).read_text(encoding="utf-8")) for path in files]
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout, indent=2)
    print()
    return 0


def config_map(app: str, path: str, text: str) -> dict[str, Any]:
    """Return a file as a ConfigMap; its name is one that Kubernetes takes, and no other file has it."""
    readable = re.sub("[^a-z0-9-]+", "-", f"{app}-{path}".lower()).strip("-")[:200]
    name = f"{readable}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
    metadata = {"name": name, "labels": {"app.kubernetes.io/managed-by": "aios"}, "annotations": {"aios/path": path}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {Path(path).name: text}}


if __name__ == "__main__":
    sys.exit(main())
