"""Evaluation: protocols, one pass over the images for every number, results with their provenance."""

from jaxeval.evaluation.evaluator import evaluate, features, reference_statistics
from jaxeval.evaluation.features import Progress
from jaxeval.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, get_protocols
from jaxeval.evaluation.results import SCHEMA_VERSION, Evaluation, Result, check_writable, metric_label
from jaxeval.evaluation.statistics import FeatureStatistics, load_statistics, save_statistics

__all__ = [
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "Evaluation",
    "FeatureStatistics",
    "Progress",
    "Protocol",
    "Result",
    "check_writable",
    "evaluate",
    "features",
    "get_protocols",
    "load_statistics",
    "metric_label",
    "reference_statistics",
    "save_statistics",
]
