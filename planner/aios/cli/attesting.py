"""attest, in words."""

from __future__ import annotations

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import counted
from aios.workflow.setting import Setting

__all__ = ["model_attest"]


def model_attest(setting: Setting, plan: str, sign_key: str, passphrase: str | None, *, json: bool) -> int:
    """Sign what a plan would load and say what was signed."""
    from aios.workflow.attesting import attest
    from aios.workflow.planfiles import read_plan_file

    found = attest(read_plan_file(plan), setting, sign_key, passphrase)
    lines, rows = [], []
    for intent, path, attestation in found:
        files = sum(name.startswith("file ") for name in attestation.runtime)
        lines.append(
            f"{intent}: {attestation.artefact} signed, key {attestation.key_id}\n  "
            f"{counted(files, 'file')} of the programs that may load it\n  {path}"
        )
        rows.append({"intent": intent, "path": str(path), **attestation.model_dump(mode="json")})
    emit("\n".join(lines), {"attested": rows}, json=json)
    return Exit.DONE
