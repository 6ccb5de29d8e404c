"""Evaluation: protocols, one pass over the images for every number, results with their provenance."""

from jaxeval.evaluation.captions import load_captions
from jaxeval.evaluation.comparing import Comparison, Difference
from jaxeval.evaluation.departures import statistics_remarks
from jaxeval.evaluation.evaluator import compare, evaluate, features, reference_statistics
from jaxeval.evaluation.explaining import Explanation, Step, explain
from jaxeval.evaluation.measures import MEASURES
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.measures.own import own_measure
from jaxeval.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, get_protocols
from jaxeval.evaluation.results import SCHEMA_VERSION, Evaluation, Result
from jaxeval.statistics import FeatureStatistics, load_statistics, save_statistics

__all__ = [
    "DEFAULT_PROTOCOL",
    "MEASURES",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "Comparison",
    "Difference",
    "Evaluation",
    "Explanation",
    "FeatureStatistics",
    "Measure",
    "Protocol",
    "Result",
    "Step",
    "compare",
    "evaluate",
    "explain",
    "features",
    "get_protocols",
    "load_captions",
    "load_statistics",
    "own_measure",
    "reference_statistics",
    "save_statistics",
    "statistics_remarks",
]
