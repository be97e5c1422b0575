"""Knowledge distillation: a smaller network that learns to answer as the source does."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aios.records.errors import Diagnostic, InputError
from aios.spi.transform import Progress, Work
from aios_plugins.compression.items import read_items
from aios_plugins.compression.learning import Course, learn, require_torch
from aios_plugins.compression.network import Network, open_network, save_network
from aios_plugins.compression.prune import thinned
from aios_plugins.compression.settings import number, share

__all__ = ["distill"]


def distill(work: Work, progress: Progress) -> dict[str, str]:
    """Write the student after its training; see ``Distill.make``."""
    require_torch()
    from aios_plugins.compression.torchgraph import Trained

    progress(0.0, "making the student")
    source = open_network(work.source)
    own = work.settings["student"]
    small, report = _given(source, Path(own)) if own else thinned(source, work)
    student = Trained(small)
    if work.settings["start"] == "random":
        student.forget(work.seed)
    course = Course(
        epochs=int(number(work.settings, "epochs")),
        rate=number(work.settings, "learning_rate"),
        temperature=number(work.settings, "temperature"),
        labels=share(work.settings, "labels") if number(work.settings, "labels") else 0.0,
        seed=work.seed,
        threads=work.threads,
    )
    report |= learn(student, source, read_items(source, work.data.get("train", ())), course, progress)
    save_network(student.write_back(), work.folder / "model.onnx")
    progress(1.0, "done")
    return report


def _given(source: Network, path: Path) -> tuple[Network, dict[str, str]]:
    """Return the network of that file, which must take and give what the source does."""
    small = open_network(path)
    for what in ("input", "output"):
        ports = [
            [(item.name, item.type.tensor_type.elem_type, network.shapes.get(item.name, ())[1:]) for item in found]
            for network in (source, small)
            for found in (getattr(network.model.graph, what),)
        ]
        if ports[0] != ports[1]:
            raise InputError(
                Diagnostic(
                    summary=f"{path} cannot stand in for the source: its {what}s are not the same",
                    reason=f"it has {_told(ports[1])} and the source {_told(ports[0])}",
                    remedy=f"export the student with the source's names and shapes of {what}s",
                )
            )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return small, {"student": f"{path.name}, sha256:{digest}"}


def _told(ports: list[tuple[str, int, tuple[int | None, ...]]]) -> str:
    return ", ".join(f"{name} {['?' if size is None else size for size in shape]}" for name, _, shape in ports)
