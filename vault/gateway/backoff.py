"""When to try again: soon after the first failure, then less and less often, never all at the same moment.

A next hop that was away for an hour would be met by all that waited for it at once; so each wait is drawn from the
upper half of its span.
"""

import random
from typing import Final

FIRST_S: Final = 30.0
LONGEST_S: Final = 3600.0
_LAST_DOUBLING: Final = 16
_CHANCE: Final = random.SystemRandom()


def wait(attempts: int, first: float = FIRST_S, longest: float = LONGEST_S) -> float:
    """Seconds until the next attempt, after `attempts` that failed."""
    span = min(longest, first * 2.0 ** min(max(attempts - 1, 0), _LAST_DOUBLING))
    return span * _CHANCE.uniform(0.5, 1.0)
