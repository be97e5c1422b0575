"""Which transforms make what a deployment computes, in which order, with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aios.records.errors import Diagnostic, WorldError
from aios.records.plan import Deployment
from aios.records.transform import Declaration

__all__ = ["Step", "steps_of"]


class Step(NamedTuple):
    """One transform of a chain. precision: that it gives · settings: every parameter, defaults too"""

    declaration: Declaration
    precision: str
    settings: Mapping[str, str]


def steps_of(deployment: Deployment, declared: Mapping[str, Declaration], stored: str) -> tuple[Step, ...]:
    """Return the steps from the deployment's model file to what it computes: its network first, then its precision.

    stored: precision of the file. Raises WorldError where the transform that is wanted is not installed.
    """
    steps = []
    if deployment.compression != "none":
        found = declared.get(deployment.compression)
        if found is None:
            raise _absent(deployment, deployment.compression)
        steps.append(_step(found, stored, deployment))
    if deployment.quantization != "none" or deployment.precision != stored:
        quantizing = (
            item
            for item in declared.values()
            if item.stage == "precision"
            and item.quantization == deployment.quantization
            and deployment.precision in item.precisions
        )
        found = next(quantizing, None)
        if found is None:
            how = "" if deployment.quantization == "none" else f" by {deployment.quantization} quantization"
            raise _absent(deployment, f"{deployment.precision}{how}")
        steps.append(_step(found, deployment.precision, deployment))
    return tuple(steps)


def _step(declaration: Declaration, precision: str, deployment: Deployment) -> Step:
    wanted = {name: deployment.settings.get(name, item.default) for name, item in declaration.parameters.items()}
    return Step(declaration, precision, wanted)


def _absent(deployment: Deployment, what: str) -> WorldError:
    return WorldError(
        Diagnostic(
            summary=f"{deployment.intent} wants {deployment.model} with {what}, and no installed transform makes that",
            remedy="install the plugin that does, or plan again",
            command="aios model transforms",
        )
    )
