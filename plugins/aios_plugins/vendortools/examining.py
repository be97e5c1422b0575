"""What keeps a maker's accelerators from being seen: no tool, a tool that fails, a driver that is not loaded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from aios.spi.checkup import Finding
from aios.spi.probe import Discovery, Probe
from aios_plugins.vendortools.cards import plugged_in

__all__ = ["examine"]


def examine(probe: Probe, tools: Sequence[str], vendor_ids: Sequence[str], hint: str, root: Path) -> list[Finding]:
    """Return what is found. tools: any of which shows the cards · vendor_ids: of PCI · root: stands before /sys"""
    check, cards = f"probe.{probe.name}", plugged_in(vendor_ids, root)
    present = [tool for tool in tools if shutil.which(tool)]
    if not present and not cards:
        seen = f"no such card on PCI, and no {' or '.join(f'`{tool}`' for tool in tools)} on PATH"
        return [Finding(check=check, status="skipped", seen=seen)]
    if not present:
        seen = f"{cards} PCI device{'s' if cards > 1 else ''} of this maker, and none of {', '.join(tools)} on PATH"
        return [Finding(check=check, status="warn", seen=seen, remedy=f"install what shows them: {hint}")]
    found: Discovery = probe.discover(measure=False)
    if found.devices:
        return [Finding(check=check, status="ok", seen=line) for line in found.seen[:1]]
    return [
        Finding(
            check=check,
            status="fail" if cards else "warn",
            seen="; ".join(found.missing) or f"`{present[0]}` shows no card",
            remedy="see what the tool itself says; when its driver is not loaded, `dmesg` says why",
            command=present[0],
        )
    ]
