"""When requests are sent: an open-loop schedule, fixed before the first one leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["arrival_times"]


def arrival_times(
    rate_per_s: float,
    seconds: float,
    arrivals: Literal["poisson", "constant"],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Return sorted sending times (s, shape (n,)) in ``[0, seconds)``.

    The schedule does not react to answers, so a slow answer delays no later request (no coordinated omission; G.
    Tene, "How
    NOT to measure latency"). Poisson arrivals: exponential gaps of mean ``1 / rate_per_s``.
    """
    import numpy as np

    if arrivals == "constant":
        return np.arange(0.0, seconds, 1.0 / rate_per_s)
    expected = rate_per_s * seconds
    gaps = generator.exponential(1.0 / rate_per_s, size=int(expected + 10 * expected**0.5 + 10))
    times = np.cumsum(gaps)
    return times[times < seconds]
