"""What is made of model files before they run: the steps from a source to what a deployment computes, each in a process
of its own, and where every result comes from.

Which transforms there are, plugins say (``aios.spi.transforms``); where results are kept, the store of artefacts.
"""

from aios.transforms.chain import Step, steps_of
from aios.transforms.making import Transforming
from aios.transforms.provenance import is_of, obstacles, read_chain

__all__ = ["Step", "Transforming", "is_of", "obstacles", "read_chain", "steps_of"]
