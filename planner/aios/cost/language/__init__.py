"""Language models that are to be served: candidates with a load, priced from physics and what was learnt.

``engines`` says what candidates are made of, ``learnt`` by how much calibrations correct the physics, ``answering``
what requests see, ``pricing`` makes estimates of it. Everything but the last works on arrays, one entry a candidate.
"""

from aios.cost.language.pricing import price_language

__all__ = ["price_language"]
