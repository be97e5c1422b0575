"""Choose: one way to run for every intent, placed on the fleet, proved best; or why there is none.

``choose`` takes intents, their priced options and the fleet, and returns a Selection. It only adds up what the options
say (no figure is computed here), enforces every requirement and every capacity as a clause of a CP-SAT model, and
optimises the goals in order. When nothing fits, the Selection holds the smallest set of clauses that cannot hold
together and, for each, the smallest change that would do. The answer depends on its arguments alone.
"""

from aios.solve.choose import choose
from aios.solve.clauses.requirement import keep_all
from aios.solve.limits import Limits
from aios.solve.shadow import shadow_values
from aios.solve.together import choose_together

__all__ = ["Limits", "choose", "choose_together", "keep_all", "shadow_values"]
