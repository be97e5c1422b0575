"""Every way an intent could run, and a reason for every family of ways that was left out.

``enumerate_candidates`` spans model x device type x executor x precision x power mode x threads x batch x replicas. It
is pure: what comes out depends on the intent, the profiles, the fleet and the executors' answers alone, whatever order
they are given in. It knows no prices: whether a candidate is good is for ``aios.cost`` and ``aios.solve`` to say.
Once they are priced, ``with_fewest`` adds the least number of replicas that will do where numbers were taken in steps,
and ``worthwhile`` leaves out batches that would not form.
"""

from typing import TYPE_CHECKING

from aios.records.lazily import lazily

if TYPE_CHECKING:
    from aios.candidates.batches import Worthwhile, worthwhile
    from aios.candidates.demands import Sited, sites_of
    from aios.candidates.enumeration import Enumeration, enumerate_candidates
    from aios.candidates.fewest import with_fewest
    from aios.candidates.language import language_problems
    from aios.candidates.training import training_problems

__all__ = [
    "Enumeration",
    "Sited",
    "Worthwhile",
    "enumerate_candidates",
    "language_problems",
    "sites_of",
    "training_problems",
    "with_fewest",
    "worthwhile",
]

__getattr__ = lazily(
    __name__,
    {
        "Enumeration": "aios.candidates.enumeration",
        "Sited": "aios.candidates.demands",
        "Worthwhile": "aios.candidates.batches",
        "enumerate_candidates": "aios.candidates.enumeration",
        "language_problems": "aios.candidates.language",
        "sites_of": "aios.candidates.demands",
        "training_problems": "aios.candidates.training",
        "with_fewest": "aios.candidates.fewest",
        "worthwhile": "aios.candidates.batches",
    },
)
