"""How often something may be done: token buckets, in bounded memory."""

import collections
import dataclasses
import math
import time
from collections.abc import Callable, Hashable


@dataclasses.dataclass(frozen=True)
class Rate:
    """How often something may be done.

    Attributes:
      burst: at once.
      per_second: in the long run.
    """

    burst: float
    per_second: float


class Buckets:
    """Counts what each of many does against one rate.

    Whoever has done nothing for as long as a bucket takes to fill is forgotten; where more than `most` are known, those
    are forgotten that were not heard of for longest.

    Args:
      rate: that each may have.
      most: buckets that are kept.
      clock: seconds, for tests.
    """

    def __init__(self, rate: Rate, most: int = 20_000, clock: Callable[[], float] = time.monotonic):
        self._rate, self._most, self._clock = rate, most, clock
        self._levels: collections.OrderedDict[Hashable, tuple[float, float]] = collections.OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def wait(self, who: Hashable) -> int:
        """Counts one deed; returns 0, or after how many seconds it may be tried again, and then it is not counted."""
        now = self._clock()
        level, before = self._levels.pop(who, (self._rate.burst, now))
        level = min(self._rate.burst, level + (now - before) * self._rate.per_second)
        allowed = level >= 1
        self._levels[who] = (level - 1 if allowed else level), now
        full_after = self._rate.burst / self._rate.per_second
        while len(self._levels) > self._most or now - next(iter(self._levels.values()))[1] > full_after:
            self._levels.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - level) / self._rate.per_second))
