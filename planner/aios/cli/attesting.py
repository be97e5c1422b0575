"""attest, in words."""

from __future__ import annotations

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import counted
from aios.workflow.setting import Setting

__all__ = ["model_attest"]


def model_attest(setting: Setting, plan: str, sign_key: str, passphrase: str | None, *, json: bool) -> int:
    """Sign what a plan would load and say what was signed."""
    from aios.workflow.attesting import attest, trusted_hardware
    from aios.workflow.planfiles import read_plan_file

    signed = attest(read_plan_file(plan), setting, sign_key, passphrase)
    lines, rows = [], []
    for intent, path, attestation in signed:
        files = sum(name.startswith("file ") for name in attestation.runtime)
        lines.append(
            f"{intent}: {attestation.artefact} signed, key {attestation.key_id}\n  "
            f"{counted(files, 'file')} of the programs that may load it\n  {path}"
        )
        rows.append({"intent": intent, "path": str(path), **attestation.model_dump(mode="json")})
    hardware = trusted_hardware()
    found = f"{', '.join(hardware)} is here and not asked" if hardware else "no TPM, SEV-SNP or TDX is available here"
    lines.append(f"{found}: what is compared rests on the word of the machine that compares")
    emit("\n".join(lines), {"attested": rows, "hardware": hardware}, json=json)
    return Exit.DONE
