"""Structured pruning: a network with fewer channels, trained again if data and epochs for that are given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aios.spi.transform import Progress, Work
from aios_plugins.compression.choosing import choose
from aios_plugins.compression.cutting import confirm, cut, silence
from aios_plugins.compression.following import follow
from aios_plugins.compression.network import Network, open_network, save_network
from aios_plugins.compression.settings import number, share

__all__ = ["prune", "thinned"]


def prune(work: Work, progress: Progress) -> dict[str, str]:
    """Write the pruned model; see ``Prune.make``."""
    epochs = int(number(work.settings, "fine_tune"))
    progress(0.0, "following channels")
    source = open_network(work.source)
    small, report = thinned(source, work)
    if epochs:
        from aios_plugins.compression.items import read_items
        from aios_plugins.compression.learning import Course, learn, require_torch

        require_torch()
        from aios_plugins.compression.torchgraph import Trained

        course = Course(epochs, number(work.settings, "learning_rate"), seed=work.seed, threads=work.threads)
        student = Trained(small)
        report |= learn(student, source, read_items(source, work.data.get("train", ())), course, progress)
        small = student.write_back()
    save_network(small, work.folder / "model.onnx")
    progress(1.0, "done")
    return report


def thinned(source: Network, work: Work) -> tuple[Network, dict[str, str]]:
    """Return the source without the channels that matter least, and what was taken out.

    That exactly these channels are gone, and nothing else, is tried out on a random input.
    """
    channels = follow(source)
    choice = choose(source, channels, share(work.settings, "keep"), int(number(work.settings, "align")))
    small = cut(source, channels, choice.kept)
    paths: Mapping[str, Path] = {name: work.scratch / f"{name}.onnx" for name in ("silenced", "cut")}
    save_network(silence(source, channels, choice.kept), paths["silenced"])
    save_network(small, paths["cut"])
    confirm(paths["silenced"], paths["cut"], source, work.seed)
    before, after = (sum(value.size for value in item.weights.values()) for item in (source, small))
    report = {
        "multiplications": f"{choice.after / choice.before:.1%} are left: {choice.after / 1e6:.3g} M of "
        f"{choice.before / 1e6:.3g} M for one item",
        "parameters": f"{after / before:.1%} are left: {after:,} of {before:,}",
        "layers": f"{choice.layers[0]} of {choice.layers[1]} kinds of channels were thinned",
    }
    return open_network(paths["cut"]), report
