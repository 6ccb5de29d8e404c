"""Judgements of people: strengths from votes on pairs and on small groups, opinion scores, and shares of votes."""

from jaxeval.ops.preference.choices import ChoiceFit as ChoiceFit
from jaxeval.ops.preference.choices import choices_of_rankings as choices_of_rankings
from jaxeval.ops.preference.choices import fit_choices as fit_choices
from jaxeval.ops.preference.choices import pairs_of_choices as pairs_of_choices
from jaxeval.ops.preference.covariance import choice_covariance as choice_covariance
from jaxeval.ops.preference.covariance import pair_covariance as pair_covariance
from jaxeval.ops.preference.elo import elo as elo
from jaxeval.ops.preference.links import LINKS as LINKS
from jaxeval.ops.preference.links import PairModel as PairModel
from jaxeval.ops.preference.opinions import OpinionFit as OpinionFit
from jaxeval.ops.preference.opinions import fit_opinions as fit_opinions
from jaxeval.ops.preference.pairs import PairCounts as PairCounts
from jaxeval.ops.preference.pairs import PairFit as PairFit
from jaxeval.ops.preference.pairs import compared_groups as compared_groups
from jaxeval.ops.preference.pairs import fit_pairs as fit_pairs
from jaxeval.ops.preference.pairs import is_separated as is_separated
from jaxeval.ops.preference.pairs import outcome_probabilities as outcome_probabilities
from jaxeval.ops.preference.pairs import pair_counts as pair_counts
from jaxeval.ops.preference.pairs import unbeaten_groups as unbeaten_groups
from jaxeval.ops.preference.ranks import RankSets as RankSets
from jaxeval.ops.preference.ranks import Triads as Triads
from jaxeval.ops.preference.ranks import circular_triads as circular_triads
from jaxeval.ops.preference.ranks import rank_sets as rank_sets
from jaxeval.ops.preference.shares import binomial_p_value as binomial_p_value
from jaxeval.ops.preference.shares import votes_needed as votes_needed
from jaxeval.ops.preference.shares import wilson_interval as wilson_interval
