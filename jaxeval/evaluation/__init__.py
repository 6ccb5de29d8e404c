"""Evaluation: protocols, one pass over the images for every number, results with their provenance."""

from jaxeval.evaluation.captions import load_captions
from jaxeval.evaluation.comparing import Comparison, Difference
from jaxeval.evaluation.departures import statistics_remarks
from jaxeval.evaluation.evaluator import compare, evaluate, features, reference_statistics
from jaxeval.evaluation.explaining import Explanation, Step, explain
from jaxeval.evaluation.measures import MEASURES
from jaxeval.evaluation.names import NUMBERS, better, metric_label
from jaxeval.evaluation.pair_measures import PAIR_MEASURES, PairMeasure
from jaxeval.evaluation.pair_results import PairDifference, PairMean, PairScores, PairsEvaluation
from jaxeval.evaluation.pairs import score_pairs
from jaxeval.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, get_protocols
from jaxeval.evaluation.reading import Progress
from jaxeval.evaluation.results import SCHEMA_VERSION, Evaluation, Result, check_writable
from jaxeval.evaluation.statistics import FeatureStatistics, load_statistics, save_statistics

__all__ = [
    "DEFAULT_PROTOCOL",
    "MEASURES",
    "NUMBERS",
    "PAIR_MEASURES",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "Comparison",
    "Difference",
    "Evaluation",
    "Explanation",
    "FeatureStatistics",
    "PairDifference",
    "PairMean",
    "PairMeasure",
    "PairScores",
    "PairsEvaluation",
    "Progress",
    "Protocol",
    "Result",
    "Step",
    "better",
    "check_writable",
    "compare",
    "evaluate",
    "explain",
    "features",
    "get_protocols",
    "load_captions",
    "load_statistics",
    "metric_label",
    "reference_statistics",
    "save_statistics",
    "score_pairs",
    "statistics_remarks",
]
