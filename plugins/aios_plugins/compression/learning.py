"""Trains a network: towards the right answers, and towards what a larger network answers.

The loss is the cross entropy with the labels and, times the square of the temperature, the Kullback-Leibler divergence
from the teacher's softened answers (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015),
weighted; without labels the teacher's answers alone. Outputs that are no classes are learnt by their squared distance
from the teacher's, over the teacher's own variance. Adam, its rate rising over the first twentieth of the steps and
falling to zero as a cosine; the last weights are kept, none is picked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from aios.records.errors import Diagnostic, InputError
from aios.spi.transform import Progress
from aios_plugins.compression.items import Items
from aios_plugins.compression.network import Network
from aios_plugins.compression.torchgraph import Trained

__all__ = ["Course", "learn", "require_torch"]

INSTALL = "pip install 'aios-planner[torch]'"
_BATCH = 64
_WARMING = 0.05
_SOONEST = 1e-30


@dataclass(frozen=True)
class Course:
    """epochs: passes over the items · rate: highest learning rate · temperature: of the teacher's answers ·
    labels: weight of the right answers beside the teacher's, 0 to 1"""

    epochs: int
    rate: float
    temperature: float = 2.0
    labels: float = 0.5
    seed: int = 0
    threads: int = 1


def require_torch() -> None:
    """Raise InputError unless torch is installed."""
    try:
        import torch  # noqa: F401 - whether it can be imported is the question
    except ImportError as error:
        raise InputError(
            Diagnostic(summary="training needs torch, which is not installed", reason=str(error), command=INSTALL)
        ) from error


def learn(student: Trained, teacher: Network, items: Items, course: Course, progress: Progress) -> dict[str, str]:
    """Train the student in place; return what came of it, name -> text.

    Raises InputError when the loss is no number any more.
    """
    import torch

    torch.set_num_threads(course.threads)
    torch.use_deterministic_algorithms(True)
    random = torch.Generator().manual_seed(course.seed)
    arrays = {name: torch.from_numpy(array) for name, array in items.arrays.items()}
    size = _batch_size(student.network, len(items))
    wanted = _answers(Trained(teacher), arrays, size)
    measure = _Loss(student.network, wanted, items, course)
    optimiser = torch.optim.Adam([student.weights[name] for name in student.learnt], lr=course.rate)
    steps = course.epochs * (len(items) // size)
    done, losses = 0, list[float]()
    for epoch in range(course.epochs):
        total = 0.0
        for chosen in torch.randperm(len(items), generator=random).split(size):
            if len(chosen) < size:
                continue  # what is left over comes first in another epoch
            for group in optimiser.param_groups:
                group["lr"] = course.rate * _pace(done / steps)
            loss = measure(student.run({name: array[chosen] for name, array in arrays.items()}, training=True), chosen)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done, total = done + 1, total + float(loss.detach())
            if not math.isfinite(total):
                raise _lost(course, epoch)
            progress(done / steps, f"epoch {epoch + 1} of {course.epochs}")
        losses.append(total / (len(items) // size))
    return {
        "training": f"{course.epochs} epochs of {len(items)} items, loss {losses[0]:.3g} in the first, "
        f"{losses[-1]:.3g} in the last",
        "learnt from": "labels and the source's answers" if measure.labels is not None else "the source's answers",
    }


def _pace(done: float) -> float:
    """Return the share of the highest learning rate at that share of all steps."""
    if done < _WARMING:
        return (done + 1e-3) / (_WARMING + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (done - _WARMING) / (1 - _WARMING)))


def _batch_size(network: Network, count: int) -> int:
    shapes = [network.shapes[item.name] for item in network.model.graph.input]
    return min(next((shape[0] for shape in shapes if shape), None) or _BATCH, count)


def _answers(teacher: Trained, arrays: dict[str, Any], size: int) -> list[Any]:
    """Return the teacher's outputs of all items; where it takes a fixed number, the last items are asked twice."""
    import torch

    count, found = len(next(iter(arrays.values()))), list[list[Any]]()
    with torch.no_grad():
        for start in range(0, count, size):
            first = min(start, count - size)
            outputs = teacher.run({name: array[first : first + size] for name, array in arrays.items()})
            found.append([output[start - first :] for output in outputs])
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


class _Loss:
    """How far outputs are from what is wanted."""

    def __init__(self, network: Network, wanted: list[Any], items: Items, course: Course) -> None:
        import torch

        makers = {name: node.op_type for node in network.model.graph.node for name in node.output}
        self.kinds = [makers.get(item.name, "") for item in network.model.graph.output]
        self.wanted, self.course, self.labels = wanted, course, None
        classes = wanted[0].shape[1] if wanted[0].ndim == 2 else 0
        if items.labels is not None and classes > 1 and items.labels.ndim == 1 and items.labels.dtype.kind in "iu":
            if not 0 <= items.labels.min() <= items.labels.max() < classes:
                raise InputError(
                    Diagnostic(
                        summary=f"labels go from {items.labels.min()} to {items.labels.max()}",
                        reason=f"the model tells {classes} classes apart, numbered from 0",
                    )
                )
            self.labels = torch.from_numpy(items.labels.astype("int64"))
        self.classes = self.labels is not None or (classes > 1 and "Softmax" in self.kinds[0])

    def __call__(self, outputs: list[Any], chosen: Any) -> Any:
        if not self.classes:
            pairs = [(own, wanted[chosen]) for own, wanted in zip(outputs, self.wanted, strict=True)]
            apart = [((own - wanted) ** 2).mean() / (wanted.var() + _SOONEST) for own, wanted in pairs]
            return sum(apart) / len(apart)
        from torch.nn import functional

        own, wanted = (self._logits(values) for values in (outputs[0], self.wanted[0][chosen]))
        heat = self.course.temperature
        soft = heat**2 * functional.kl_div(
            (own / heat).log_softmax(1), (wanted / heat).log_softmax(1), reduction="batchmean", log_target=True
        )
        if self.labels is None:
            return soft
        hard = functional.cross_entropy(own, self.labels[chosen])
        return self.course.labels * hard + (1 - self.course.labels) * soft

    def _logits(self, values: Any) -> Any:
        """Return logits up to a constant, which no softmax sees: probabilities are their exponentials."""
        return values.clamp_min(1e-12).log() if self.kinds[0] == "Softmax" else values


def _lost(course: Course, epoch: int) -> InputError:
    return InputError(
        Diagnostic(
            summary=f"training was lost: the loss is no number in epoch {epoch + 1}",
            reason=f"steps at a learning rate of {course.rate:g} are too large for this model",
            remedy=f"ask for a smaller `learning_rate`, such as {course.rate / 10:g}",
        )
    )
