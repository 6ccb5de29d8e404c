"""From answers to the systems' values: one estimator a design, each also for resampled answers, many side by side.

An estimator knows the kinds of answers that there are, of which each answer is one. A resample is how often each kind
occurs in it, so that a bootstrap of a hundred thousand votes costs little more than its fits.
"""

import abc
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int

from jaxeval.errors import InputError
from jaxeval.human.votes import ChoiceAnswers, OpinionAnswers, PairAnswers, RealnessAnswers, Votes
from jaxeval.ops import preference
from jaxeval.ops.preference import LINKS, PairModel, link_named

Model = PairModel | Literal["plackett-luce", "opinion-scores", "mean-opinion", "error-rate"]
MODELS: dict[str, tuple[str, ...]] = {
    "2afc": tuple(LINKS),
    "best-of-n": ("plackett-luce",),
    "mos": ("opinion-scores", "mean-opinion"),
    "real-or-fake": ("error-rate",),
}
DEFINITIONS = {
    "bradley-terry": "Bradley and Terry 1952, maximum likelihood; a tie is half a win of either",
    "davidson": "Bradley-Terry with ties by Davidson 1970, maximum likelihood",
    "rao-kupper": "Bradley-Terry with ties by Rao and Kupper 1967, maximum likelihood",
    "thurstone": "Thurstone 1927, case V, by Mosteller 1951, maximum likelihood; a tie is half a win of either",
    "glenn-david": "Thurstone-Mosteller with ties by Glenn and David 1960, maximum likelihood",
    "plackett-luce": "Luce 1959 and Plackett 1975, maximum likelihood",
    "opinion-scores": "quality, bias and inconsistency of raters by maximum likelihood (ITU-T P.910, Annex E; SUREAL)",
    "mean-opinion": "mean opinion score (ITU-T P.910), each item counting the same",
    "error-rate": "human error rate (HYPE, Zhou et al. 2019): mean share of fakes judged real and of reals judged fake",
}
_RIDGE = 0.1
"""The penalty where strengths would be infinite: a normal prior of variance 10, a deviation of 3.2 log odds."""


class Estimator(abc.ABC):
    """Values of the systems from kinds of answers and how often each occurs.

    Attributes:
      model: by name.
      unit: of the values, in words.
      kind: [N], of each answer.
      kinds: how many there are.
      penalty: lambda of the normal prior of variance 1 / lambda on strengths; 0 where there is none.
      why_penalty: what made a penalty necessary; "" where it was asked for, or there is none.
    """

    model: str
    unit: str
    kind: Int[np.ndarray, " n"]
    kinds: int
    penalty: float = 0.0
    why_penalty: str = ""

    @abc.abstractmethod
    def values(
        self, counts: Float[np.ndarray, "b kinds"], items: Float[np.ndarray, "b i"] | None = None
    ) -> Float[np.ndarray, "b k"]:
        """Values of the systems in each resample.

        Args:
          counts: how often each kind of answer occurs.
          items: how often each item was drawn; None where items were not resampled.
        """

    def shares(self, counts: Float[np.ndarray, "b kinds"]) -> Float[np.ndarray, "b k k"] | None:
        """Of each resample the share of votes of the row's system over the column's; None where nobody compares."""
        return None

    def covariance(self, votes: Votes, clusters: list[np.ndarray]) -> Float[np.ndarray, "k k"] | None:
        """Covariance of the values, by the sandwich where there are clusters; None of models that have none."""
        return None

    def parameters(self) -> Mapping[str, Any]:
        """What else the fit of all answers found, for the record."""
        return {}


def estimator_of(votes: Votes, model: str | None = None, penalty: float | None = None) -> Estimator:
    """The estimator of a design.

    Args:
      votes: of one question.
      model: one of `MODELS` of the design; by default Davidson's where there are ties and Bradley-Terry where there
        are none, Plackett-Luce, opinion scores with the raters' biases, and the error rate.
      penalty: of the strengths; by default none where they are finite, and 0.1 where they would be infinite.

    Raises:
      InputError: a model of another design, or a penalty of a model without strengths.
    """
    answers = votes.answers
    if model is None:
        tied = isinstance(answers, PairAnswers) and bool((answers.outcome == 0).any())
        model = "davidson" if tied else MODELS[votes.design][0]
    if model not in MODELS[votes.design]:
        choices = ", ".join(MODELS[votes.design])
        raise InputError(f"model {model!r} is none of the design {votes.design}; choose from {choices}")
    if penalty is not None and not penalty >= 0:
        raise InputError(f"penalty is {penalty}; give 0 or more")
    if isinstance(answers, PairAnswers):
        return _Pairs(answers, len(votes.systems), link_named(model).name, penalty)
    if isinstance(answers, ChoiceAnswers):
        return _Choices(answers, len(votes.systems), penalty)
    if penalty is not None:
        raise InputError(f"model {model!r} has no strengths that a penalty could hold; leave penalty out")
    if isinstance(answers, OpinionAnswers):
        return _Opinions(answers, votes, model)
    return _ErrorRates(answers, len(votes.systems))


def _penalty(beaten: np.ndarray, systems: int, wanted: float | None) -> tuple[float, str]:
    """The penalty and why, from who beat (or tied) whom at least once."""
    groups = preference.unbeaten_groups(beaten)
    if wanted is not None or len(groups) == 1:
        return wanted or 0.0, ""
    apart = preference.compared_groups(beaten)
    reason = "no votes connect all systems" if len(apart) > 1 else "some never lost, or never won, against others"
    return _RIDGE, reason


class _Pairs(Estimator):
    """Strengths from answers on two alternatives."""

    link: PairModel

    def __init__(self, answers: PairAnswers, systems: int, model: PairModel, penalty: float | None):
        self.model, self.link = model, model
        self.systems, self.answers = systems, answers
        self.unit = LINKS[model].unit
        low, high = np.minimum(answers.left, answers.right), np.maximum(answers.left, answers.right)
        winner = np.where(answers.outcome > 0, answers.left, answers.right)
        loser = np.where(answers.outcome > 0, answers.right, answers.left)
        tied = answers.outcome == 0
        # A win is its cell of [K, K], a tie the cell above the diagonal of a second [K, K].
        self.kind = np.where(tied, (systems + low) * systems + high, winner * systems + loser)
        self.kinds = 2 * systems * systems
        self.counts = np.bincount(self.kind, minlength=self.kinds).astype(np.float64)
        wins, ties = self._tables(self.counts[None])
        self.penalty, self.why_penalty = _penalty(wins[0] + ties[0], systems, penalty)
        self.fit = preference.fit_pairs(wins[0], ties[0], model=self.link, penalty=self.penalty)
        self.wins, self.ties = wins[0], ties[0]

    def _tables(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = counts.reshape(-1, 2, self.systems, self.systems).astype(np.float64)
        return both[:, 0], both[:, 1] + np.swapaxes(both[:, 1], 1, 2)

    def values(self, counts: np.ndarray, items: np.ndarray | None = None) -> np.ndarray:
        wins, ties = self._tables(counts)
        # Of a resample that separates the systems strengths would be infinite, though those of the votes are not.
        found = preference.fit_pairs(wins, ties, model=self.link, penalty=self.penalty)
        strengths, lost = np.array(found.strengths), ~np.asarray(found.converged)
        if lost.any():
            held = preference.fit_pairs(wins[lost], ties[lost], model=self.link, penalty=self.penalty or _RIDGE)
            strengths[lost] = held.strengths
        return strengths

    def shares(self, counts: np.ndarray) -> np.ndarray:
        wins, ties = self._tables(counts)
        won = wins + 0.5 * ties
        all_ = won + np.swapaxes(won, 1, 2)
        return np.divide(won, all_, out=np.full_like(won, np.nan), where=all_ > 0)

    def covariance(self, votes: Votes, clusters: list[np.ndarray]) -> np.ndarray:
        own = self.answers
        return preference.pair_covariance(
            own.left,
            own.right,
            own.outcome,
            self.fit.strengths,
            self.fit.tie,
            model=self.link,
            clusters=clusters,
            penalty=self.penalty,
        )

    def parameters(self) -> Mapping[str, Any]:
        tie = float(self.fit.tie)
        return {"tie": None if np.isnan(tie) else tie, "log_likelihood": float(self.fit.log_likelihood)}


class _Choices(Estimator):
    """Strengths from answers on several alternatives."""

    def __init__(self, answers: ChoiceAnswers, systems: int, penalty: float | None):
        self.model, self.unit = "plackett-luce", "log odds of being chosen as best"
        self.systems, self.answers = systems, answers
        ordered = -np.sort(-answers.shown, axis=1)  # how they were arranged is not part of a kind
        rows, kind = np.unique(np.column_stack([ordered, answers.best, answers.worst]), axis=0, return_inverse=True)
        self.kind, self.kinds = kind.ravel(), len(rows)
        self.rows = rows[:, :-2], rows[:, -2], rows[:, -1]
        self.counts = np.bincount(self.kind, minlength=self.kinds).astype(np.float64)
        self.winner, self.loser, self.of_row = preference.pairs_of_choices(*self.rows)
        beaten = np.zeros((systems, systems))
        beaten[self.winner, self.loser] = 1.0
        self.penalty, self.why_penalty = _penalty(beaten, systems, penalty)
        self.fit = self._fitted(self.counts, self.penalty)

    def _fitted(self, counts: np.ndarray, penalty: float) -> preference.ChoiceFit:
        return preference.fit_choices(*self.rows, systems=self.systems, weights=counts, penalty=penalty)

    def values(self, counts: np.ndarray, items: np.ndarray | None = None) -> np.ndarray:
        found = self._fitted(counts, self.penalty)
        strengths, lost = np.array(found.strengths), ~np.asarray(found.converged)
        if lost.any():
            strengths[lost] = self._fitted(counts[lost], self.penalty or _RIDGE).strengths
        return strengths

    def shares(self, counts: np.ndarray) -> np.ndarray:
        size = self.systems * self.systems
        cell = self.winner * self.systems + self.loser
        sums = scipy.sparse.csr_array((np.ones(len(cell)), (self.of_row, cell)), shape=(self.kinds, size))
        won = (counts @ sums).reshape(-1, self.systems, self.systems)
        all_ = won + np.swapaxes(won, 1, 2)
        return np.divide(won, all_, out=np.full_like(won, np.nan), where=all_ > 0)

    def covariance(self, votes: Votes, clusters: list[np.ndarray]) -> np.ndarray:
        own = self.answers
        return preference.choice_covariance(
            own.shown, own.best, own.worst, self.fit.strengths, clusters=clusters, penalty=self.penalty
        )

    def parameters(self) -> Mapping[str, Any]:
        return {"log_likelihood": float(self.fit.log_likelihood)}


class _Opinions(Estimator):
    """Opinion scores: of each stimulus, an item of a system, and their means over items."""

    unit = "points of the scale"

    def __init__(self, answers: OpinionAnswers, votes: Votes, model: str):
        self.model, self.systems, self.answers = model, len(votes.systems), answers
        item = np.where(votes.item < 0, len(votes.items), votes.item)
        code, stimulus = np.unique(item * self.systems + answers.system, return_inverse=True)
        self.stimulus = stimulus.ravel()
        self.item_of, self.system_of = np.divmod(code, self.systems)
        self.rater = np.where(votes.rater < 0, len(votes.raters), votes.rater)
        self.raters = len(votes.raters) + 1
        self.kind, self.kinds = np.arange(len(votes)), len(votes)
        self.counts = np.ones(self.kinds)
        self.fit = self._fitted(self.counts)

    def _fitted(self, weights: np.ndarray) -> preference.OpinionFit:
        return preference.fit_opinions(
            self.answers.score,
            self.rater,
            self.stimulus,
            raters=self.raters,
            stimuli=len(self.item_of),
            weights=weights,
        )

    def qualities(self, counts: np.ndarray) -> np.ndarray:
        """[B, J] of the stimuli; not-a-number where a resample has no score of one."""
        if self.model == "opinion-scores":
            return np.asarray(self._fitted(counts).quality)
        cells = scipy.sparse.csr_array(
            (np.ones(self.kinds), (np.arange(self.kinds), self.stimulus)), shape=(self.kinds, len(self.item_of))
        )
        sums, heard = (counts * self.answers.score) @ cells, counts @ cells
        return np.divide(sums, heard, out=np.full_like(sums, np.nan), where=heard > 0)

    def values(self, counts: np.ndarray, items: np.ndarray | None = None) -> np.ndarray:
        found = self.qualities(counts)
        weights = np.ones_like(found)
        if items is not None:
            padded = np.column_stack([items, np.ones(len(items))])  # what has no item is never resampled as one
            weights = padded[:, self.item_of]
        weights = np.where(np.isnan(found), 0.0, weights)
        cells = scipy.sparse.csr_array(
            (np.ones(len(self.system_of)), (np.arange(len(self.system_of)), self.system_of)),
            shape=(len(self.system_of), self.systems),
        )
        sums, heard = (weights * np.nan_to_num(found)) @ cells, weights @ cells
        return np.divide(sums, heard, out=np.full_like(sums, np.nan), where=heard > 0)

    def parameters(self) -> Mapping[str, Any]:
        return {} if self.model == "mean-opinion" else {"rounds": int(self.fit.rounds)}


class _ErrorRates(Estimator):
    """How often people take fakes for real, and the other way round."""

    model, unit = "error-rate", "share"

    def __init__(self, answers: RealnessAnswers, systems: int):
        self.systems, self.answers = systems, answers
        if not systems:
            raise InputError("all answers are on real images: none says anything of a generated one")
        # Four kinds a system, but for real images, which are the last: judged real or not.
        own = np.where(answers.system < 0, systems, answers.system)
        self.kind = 2 * own + answers.judged_real
        self.kinds = 2 * (systems + 1)
        self.counts = np.bincount(self.kind, minlength=self.kinds).astype(np.float64)

    def taken_for_real(self, counts: np.ndarray) -> np.ndarray:
        """[B, K + 1], the share of each system's images that were judged real, and of real images last."""
        both = counts.reshape(-1, self.systems + 1, 2)
        all_ = both.sum(2)
        return np.divide(both[..., 1], all_, out=np.full(all_.shape, np.nan), where=all_ > 0)

    def values(self, counts: np.ndarray, items: np.ndarray | None = None) -> np.ndarray:
        shares = self.taken_for_real(counts)
        fooled, real = shares[:, :-1], shares[:, -1:]
        # Without real images there are only the fakes to be wrong about.
        return np.where(np.isnan(real), fooled, 0.5 * (fooled + 1.0 - real))


def kinds_by_group(
    kind: Int[np.ndarray, " n"], kinds: int, group: Int[np.ndarray, " n"], groups: int
) -> scipy.sparse.csr_array:
    """How often each kind of answer occurs in each group, [groups, kinds]."""
    ones = np.ones(len(kind))
    return scipy.sparse.csr_array(scipy.sparse.coo_array((ones, (group, kind)), shape=(groups, kinds)))
