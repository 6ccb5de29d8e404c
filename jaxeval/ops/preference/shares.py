"""Shares of votes: Wilson's interval, how many votes a difference needs, and tests of a share of one half.

References: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927; Kish, "Survey
Sampling", 1965 (the design effect); Fleiss, Levin, Paik, "Statistical methods for rates and proportions", 2003.
"""

import math

from scipy import stats

from jaxeval._arguments import whole_number
from jaxeval.errors import InputError
from jaxeval.ops.resampling import Interval


def wilson_interval(count: float, votes: float, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share, without a correction for continuity.

    Unlike `jaxeval.ops.share_interval` it is the paper's own, and so narrower than Clopper and Pearson's.

    Args:
      count: votes of the kind in question; a sum of weights may be broken.
      votes: all votes, above 0.
      confidence: between 0 and 1.

    Raises:
      InputError: count is not from 0 to votes, there is no vote, or confidence is not between 0 and 1.

    Example:
      >>> from jaxeval.ops import preference
      >>> low, high = preference.wilson_interval(8, 10)
      >>> round(low, 4), round(high, 4)
      (0.4902, 0.9433)
    """
    if not (0 <= count <= votes and votes > 0):
        raise InputError(f"count is {count} of {votes} votes; give from 0 to all of one or more")
    z = _quantile(confidence)
    share = count / votes
    middle = share + z * z / (2 * votes)
    reach = z * math.sqrt(share * (1 - share) / votes + z * z / (4 * votes * votes))
    norm = 1 + z * z / votes
    # An end that is 0 or 1 in exact arithmetic is so here.
    low = 0.0 if count == 0 else (middle - reach) / norm
    high = 1.0 if count == votes else (middle + reach) / norm
    return Interval(low, high)


def votes_needed(
    win_rate: float, *, power: float = 0.8, confidence: float = 0.95, ties: float = 0.0, design_effect: float = 1.0
) -> int:
    """Votes on one pair of systems after which a two-sided test most probably tells which is better.

    Of the binomial test in its normal approximation: the votes n at which a share of decided votes of `win_rate` is
    significantly other than one half with a chance of `power`.

    Args:
      win_rate: expected share of decided votes for the better system, above 0.5 and below 1 (or the other way round).
      power: chance of a significant result, between 0 and 1.
      confidence: 1 less the level of the test.
      ties: expected share of ties, which tell nothing of who is better; from 0 to below 1.
      design_effect: by how much the variance of the share exceeds that of independent votes, because a rater's or an
        item's votes are alike; `jaxeval human analyse` prints that of a study. 1 or more.

    Raises:
      InputError: an argument is out of its range.

    Example:
      >>> from jaxeval.ops import preference
      >>> preference.votes_needed(0.6), preference.votes_needed(0.6, design_effect=2.0, ties=0.2)
      (194, 485)
    """
    if not (0 < win_rate < 1 and win_rate != 0.5):
        raise InputError(f"win_rate is {win_rate}; give one between 0 and 1 that is not one half")
    if not (0 < power < 1 and 0 <= ties < 1 and design_effect >= 1):
        raise InputError(
            f"power, ties and design_effect are {power}, {ties} and {design_effect}; give one between 0 and 1, one "
            "from 0 to below 1, and 1 or more"
        )
    z, reach = _quantile(confidence), float(stats.norm.ppf(power))
    apart = abs(win_rate - 0.5)
    decided = ((0.5 * z + reach * math.sqrt(win_rate * (1 - win_rate))) / apart) ** 2
    return math.ceil(decided * design_effect / (1 - ties))


def binomial_p_value(count: int, votes: int) -> float:
    """Two-sided p-value of the exact binomial test that a share is one half; 1 of no votes.

    Raises:
      InputError: no whole numbers, or count is not from 0 to votes.

    Example:
      >>> from jaxeval.ops import preference
      >>> round(preference.binomial_p_value(8, 10), 4)
      0.1094
    """
    votes = whole_number("votes", votes, 0)
    count = whole_number("count", count, 0, votes)
    return 1.0 if votes == 0 else float(stats.binomtest(count, votes).pvalue)


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must be between 0 and 1")
    return float(stats.norm.ppf((1 + confidence) / 2))
