"""Rules on plans that are checked in: what they say, the plan in their words, and what comes of them.

Conditions are CEL, compiled against a typed vocabulary. What evaluates them runs in a process of its own (``child``);
this package says what to ask of it and puts its answers into words.
"""

from typing import TYPE_CHECKING

from aios.records.lazily import lazily

if TYPE_CHECKING:
    from aios.policy.judging import Stated, answered, explained, misfit, mistakes_of, place_of, request_of, rulings_of
    from aios.policy.view import view_of
    from aios.policy.written import PolicyForm, compile_policies, digest_of_rules

__all__ = [
    "PolicyForm",
    "Stated",
    "answered",
    "compile_policies",
    "digest_of_rules",
    "explained",
    "misfit",
    "mistakes_of",
    "place_of",
    "request_of",
    "rulings_of",
    "view_of",
]

__getattr__ = lazily(
    __name__,
    {
        "PolicyForm": "aios.policy.written",
        "Stated": "aios.policy.judging",
        "answered": "aios.policy.judging",
        "compile_policies": "aios.policy.written",
        "digest_of_rules": "aios.policy.written",
        "explained": "aios.policy.judging",
        "misfit": "aios.policy.judging",
        "mistakes_of": "aios.policy.judging",
        "place_of": "aios.policy.judging",
        "request_of": "aios.policy.judging",
        "rulings_of": "aios.policy.judging",
        "view_of": "aios.policy.view",
    },
)
