"""Images scored against references of the same name, or by themselves, one by one and set by set."""

from jaxeval.pairs.measures import ALL_MEASURES, PAIR_MEASURES, POOLED_MEASURES, PairMeasure
from jaxeval.pairs.results import PairDifference, PairMean, PairScores, PairsEvaluation
from jaxeval.pairs.score import score_pairs
from jaxeval.pairs.single import score_images

__all__ = [
    "ALL_MEASURES",
    "PAIR_MEASURES",
    "POOLED_MEASURES",
    "PairDifference",
    "PairMean",
    "PairMeasure",
    "PairScores",
    "PairsEvaluation",
    "score_images",
    "score_pairs",
]
