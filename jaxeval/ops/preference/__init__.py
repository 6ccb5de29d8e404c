"""Judgements of people: strengths from votes on pairs and on small groups, opinion scores, and shares of votes."""

from jaxeval.ops.preference._elo import elo
from jaxeval.ops.preference.choices import ChoiceFit, choices_of_rankings, fit_choices, pairs_of_choices
from jaxeval.ops.preference.covariance import choice_covariance, pair_covariance
from jaxeval.ops.preference.links import LINKS, PairModel, link_named
from jaxeval.ops.preference.opinions import OpinionFit, fit_opinions
from jaxeval.ops.preference.pairs import (
    PairCounts,
    PairFit,
    compared_groups,
    fit_pairs,
    is_separated,
    outcome_probabilities,
    pair_counts,
    unbeaten_groups,
)
from jaxeval.ops.preference.ranks import RankSets, Triads, circular_triads, rank_sets
from jaxeval.ops.preference.shares import binomial_p_value, votes_needed, wilson_interval

__all__ = [
    "LINKS",
    "ChoiceFit",
    "OpinionFit",
    "PairCounts",
    "PairFit",
    "PairModel",
    "RankSets",
    "Triads",
    "binomial_p_value",
    "choice_covariance",
    "choices_of_rankings",
    "circular_triads",
    "compared_groups",
    "elo",
    "fit_choices",
    "fit_opinions",
    "fit_pairs",
    "is_separated",
    "link_named",
    "outcome_probabilities",
    "pair_counts",
    "pair_covariance",
    "pairs_of_choices",
    "rank_sets",
    "unbeaten_groups",
    "votes_needed",
    "wilson_interval",
]
