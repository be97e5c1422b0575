"""Learning what physics leaves open: hierarchical ridge regression on features with names, and honest intervals.

A predictor states, for each row, a physical prediction (``base``) and features; what is learnt is the rest, as effects
of nested groups (all devices, a class of devices, a device, a device with its software...), each shrunk towards what
the wider group says. A device never seen has the effects of its class; a device with some rows has its own.
"""

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.learning.fit import fit, refine
from aios.cost.learning.predict import Predicted, predict

__all__ = ["Design", "Predicted", "Predictor", "StageForm", "fit", "predict", "refine"]
