"""Pairs: images scored against references of the same name, one by one and set by set."""

from jaxeval.pairs.measures import ALL_MEASURES, PAIR_MEASURES, POOLED_MEASURES, PairMeasure
from jaxeval.pairs.results import PairDifference, PairMean, PairScores, PairsEvaluation
from jaxeval.pairs.score import score_pairs

__all__ = [
    "ALL_MEASURES",
    "PAIR_MEASURES",
    "POOLED_MEASURES",
    "PairDifference",
    "PairMean",
    "PairMeasure",
    "PairScores",
    "PairsEvaluation",
    "score_pairs",
]
