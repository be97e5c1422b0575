"""Training: what a step takes, part by part, what a device holds, and every way to spread a model over devices.

``plans`` searches; ``step_parts`` and ``held_bytes`` are the physics that it and the predictors ``step`` and ``memory``
share; ``structure_of`` reads a transformer for them. ``steps`` corrects that physics for candidates by what was learnt,
``pricing`` makes estimates of it, ``accounts`` explains them, and ``search`` looks through a fleet's devices.
"""

from aios.cost.training.capacity import capacity_bytes
from aios.cost.training.hardware import Hardware, hardware_of
from aios.cost.training.memory import Held, held_bytes
from aios.cost.training.plans import Job, TrainingPlan, TrainingPlans, plans
from aios.cost.training.steptime import Parts, Work, published_flops, step_parts
from aios.cost.training.structure import Structure, structure_of, structures_in

__all__ = [
    "Hardware",
    "Held",
    "Job",
    "Parts",
    "Structure",
    "TrainingPlan",
    "TrainingPlans",
    "Work",
    "capacity_bytes",
    "hardware_of",
    "held_bytes",
    "plans",
    "published_flops",
    "step_parts",
    "structure_of",
    "structures_in",
]
