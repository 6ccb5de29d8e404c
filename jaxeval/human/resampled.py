"""How far values of systems would move with other raters and other items: a bootstrap of both at once.

Votes of one rater are alike, and so are votes on one item. Resampling both in one draw counts what is left, the chance
of a single vote, three times (Owen, Eckles 2012), so that it overstates the error where that is most of it. Here each
is resampled by itself, and so are single votes; the variances add up as those of a sandwich over two groupings do,
V(raters) + V(items) - V(votes), and the shape of the distribution is that of both movements together.

References: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007; Owen, Eckles, "Bootstrapping data
arrays of arbitrary order", ibid. 6, 2012; Cameron, Gelbach, Miller, "Robust inference with multiway clustering",
Journal of Business and Economic Statistics 29, 2011; McCullagh, "Resampling and exchangeable arrays", Bernoulli 6,
2000 (no bootstrap of single draws is right for two groupings).
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

from jaxeval.human.estimating import Estimator, kinds_by_group
from jaxeval.human.votes import Votes

_AT_ONCE = 100  # resamples


@dataclasses.dataclass(frozen=True)
class Grouping:
    """What is resampled as a whole.

    Attributes:
      name: "raters", "items" or "votes".
      group: [N], of each answer.
      groups: how many there are.
    """

    name: str
    group: Int[np.ndarray, " n"]
    groups: int


def groupings_of(votes: Votes) -> tuple[Grouping, ...]:
    """Raters, items and votes; without those that the file does not name, or has one of only."""
    found = [
        Grouping(name, number, int(number.max()) + 1)
        for name, number in (("raters", _dense(votes.rater)), ("items", _dense(votes.item)))
        if number is not None
    ]
    if len(found) == 1:
        return tuple(found)
    if not found:
        return (Grouping("votes", np.arange(len(votes)), len(votes)),)
    _, crossing = np.unique(found[0].group * found[1].groups + found[1].group, return_inverse=True)
    return (*found, Grouping("votes", crossing.ravel(), int(crossing.max()) + 1))


def _dense(number: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"] | None:
    """Numbers of the groups that occur; each answer without one is a group of its own; None for fewer than two groups.

    None, too, where no answer has a group: then each would be one, which is the grouping of votes.
    """
    if (number < 0).all():
        return None
    own = np.where(number < 0, -1 - np.arange(len(number)), number)
    _, dense = np.unique(own, return_inverse=True)
    return dense.ravel() if dense.max() > 0 else None


@dataclasses.dataclass(frozen=True)
class Draws:
    """Resampled values.

    Attributes:
      values: [K], of all votes.
      by_grouping: by its name the draws, [B, K].
      shares: as `values`, of the pairs' shares, [K, K]; None where nobody compares.
      shares_by_grouping: draws of it, [B, K, K].
      groups: by grouping how many there are.
    """

    values: Float[np.ndarray, " k"]
    by_grouping: Mapping[str, Float[np.ndarray, "b k"]]
    shares: Float[np.ndarray, "k k"] | None
    shares_by_grouping: Mapping[str, Float[np.ndarray, "b k k"]]
    groups: Mapping[str, int]

    def moved(self) -> Float[np.ndarray, "b k"]:
        """Draws of the values, as far from them as the error is."""
        return self.values + _deviations(self.values, self.by_grouping, self.groups)

    def interval(
        self, function: Callable[[Float[np.ndarray, "b k"]], Float[np.ndarray, "b ..."]], confidence: float = 0.95
    ) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."], Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
        """A function of the values, its standard error, and the ends of its interval.

        Args:
          function: of rows of values.
          confidence: of the interval.
        """
        value = function(self.values[None])[0]
        draws = {name: function(rows) for name, rows in self.by_grouping.items()}
        return (value, *_bounds(value, draws, self.groups, confidence))

    def share_interval(self, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standard errors and the ends of the intervals of the pairs' shares, [K, K]."""
        if self.shares is None:
            raise ValueError("nobody compared anything")
        return _bounds(self.shares, self.shares_by_grouping, self.groups, confidence)


def resample(
    votes: Votes,
    estimator: Estimator,
    *,
    repeats: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Draws:
    """Values of all answers, and of resamples by each grouping.

    Args:
      votes: of one question.
      estimator: of these votes.
      repeats: resamples of each grouping, 2 or more.
      seed: of the drawing.
      progress: is told how many resamples of how many are done.
    """
    counts = np.bincount(estimator.kind, minlength=estimator.kinds).astype(np.float64)[None]
    values, shares = estimator.values(counts)[0], estimator.shares(counts)
    groupings = groupings_of(votes)
    drawn: dict[str, np.ndarray] = {}
    drawn_shares: dict[str, np.ndarray] = {}
    for place, grouping in enumerate(groupings):
        generator = np.random.default_rng([seed, place])
        table = kinds_by_group(estimator.kind, estimator.kinds, grouping.group, grouping.groups)
        of_items = grouping.name == "items"
        found, found_shares = [], []
        for start in range(0, repeats, _AT_ONCE):
            count = min(_AT_ONCE, repeats - start)
            weights = generator.multinomial(grouping.groups, np.full(grouping.groups, 1 / grouping.groups), count)
            resampled = np.asarray(weights.astype(np.float64) @ table)
            items = _weights_of_items(votes, grouping, weights) if of_items else None
            found.append(estimator.values(resampled, items))
            part = estimator.shares(resampled)
            if part is not None:
                found_shares.append(part)
            progress(count)
        drawn[grouping.name] = np.concatenate(found)
        if found_shares:
            drawn_shares[grouping.name] = np.concatenate(found_shares)
    groups = {grouping.name: grouping.groups for grouping in groupings}
    return Draws(values, drawn, None if shares is None else shares[0], drawn_shares, groups)


def _weights_of_items(votes: Votes, grouping: Grouping, weights: np.ndarray) -> np.ndarray:
    """How often each item was drawn, by its number in the votes; 1 of those that no answer is on."""
    found = np.ones((len(weights), len(votes.items)))
    known = votes.item >= 0
    found[:, votes.item[known]] = weights[:, grouping.group[known]]
    return found


def _deviations(value: np.ndarray, draws: Mapping[str, np.ndarray], groups: Mapping[str, int]) -> np.ndarray:
    """Draws less the value, so that they vary as it would: of both groupings together, of the right variance."""
    variances = {}
    moved = []
    for name, rows in draws.items():
        own = rows - value
        # A resample in which a system or a pair does not occur says nothing of it.
        variances[name] = _variance(own) * (groups[name] / max(groups[name] - 1, 1))
        if name != "votes" or len(draws) == 1:
            moved.append(np.where(np.isnan(own), 0.0, own))
    both = moved[0] if len(moved) == 1 else moved[0] + moved[1]
    if len(moved) == 1:
        wanted = next(iter(variances.values()))
    else:
        each = variances["raters"], variances["items"]
        wanted = np.maximum(each[0] + each[1] - variances["votes"], np.maximum(*each))
    found = both.var(axis=0, ddof=1)
    scale = np.sqrt(np.divide(wanted, found, out=np.zeros_like(found), where=found > 0))
    return both * scale


def _variance(rows: Float[np.ndarray, "b ..."]) -> Float[np.ndarray, "..."]:
    """Over the rows that are numbers; 0 of fewer than two."""
    known = ~np.isnan(rows)
    count = known.sum(0)
    mean = np.where(known, rows, 0.0).sum(0) / np.maximum(count, 1)
    return np.where(known, (rows - mean) ** 2, 0.0).sum(0) / np.maximum(count - 1, 1)


def _bounds(
    value: np.ndarray, draws: Mapping[str, np.ndarray], groups: Mapping[str, int], confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard error, and the ends of the interval: quantiles, spread by Student's t for few groups."""
    moved = _deviations(value, draws, groups)
    degrees = min(count for name, count in groups.items() if name != "votes" or len(groups) == 1) - 1
    tail = (1 - confidence) / 2
    wider = scipy.stats.t.ppf(1 - tail, max(degrees, 1)) / scipy.stats.norm.ppf(1 - tail)
    low, high = np.quantile(moved * wider, [tail, 1 - tail], axis=0)
    return moved.std(axis=0, ddof=1), value + low, value + high
