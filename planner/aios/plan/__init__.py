"""8 Plan: Selection + State -> Plan, the document that says what will be done, why, and what is promised.

Pure: the same records give the same bytes. What stands is compared with what was chosen, field by field, and every
difference becomes one action with its reason in words. The document is written, read back and checked for staleness
here, and two documents are compared.
"""

from __future__ import annotations

from aios.plan.actions import destroy_actions, doomed_by
from aios.plan.basis import basis_of
from aios.plan.consistency import Asked, astray, contradictions
from aios.plan.deployment import deployment_of
from aios.plan.differences import differences
from aios.plan.document import plan_text, read_plan, with_id
from aios.plan.figures import figures
from aios.plan.freshness import changes, stale
from aios.plan.make import make_plan
from aios.plan.protecting import forbidden
from aios.plan.returning import going_back, misfits, wanted_by
from aios.plan.standing import as_stood, completed, empty_plan, without
from aios.plan.validity import out_of_time, validity

__all__ = [
    "Asked",
    "as_stood",
    "astray",
    "basis_of",
    "changes",
    "completed",
    "contradictions",
    "deployment_of",
    "destroy_actions",
    "differences",
    "doomed_by",
    "empty_plan",
    "figures",
    "forbidden",
    "going_back",
    "make_plan",
    "misfits",
    "out_of_time",
    "plan_text",
    "read_plan",
    "stale",
    "validity",
    "wanted_by",
    "with_id",
    "without",
]
