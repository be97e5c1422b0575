"""Write what commands print into the examples' READMEs anew: each block after ``<!-- output: COMMAND -->``."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^(<!-- output: (?P<command>[^\n]+?) -->\n```text\n).*?^```$", re.MULTILINE | re.DOTALL)


def printed(block: re.Match[str]) -> str:
    """Return a block with what its command prints now."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["sh", "-c", block["command"]], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    if not ran.stdout.strip():
        raise SystemExit(f"`{block['command']}` printed nothing:\n{ran.stderr}")
    return f"{block[1]}{ran.stdout.rstrip()}\n```"


for readme in sorted(ROOT.glob("examples/*/README.md")):
    text = readme.read_text(encoding="utf-8")
    readme.write_text(BLOCK.sub(printed, text), encoding="utf-8")
