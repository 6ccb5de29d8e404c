"""Judging by detection: what is in a picture, where, how many, and what is written there."""

from jaxeval.detection.boxes import FoundBoxes, Mask, TrueBoxes
from jaxeval.detection.results import (
    DetectionDifference,
    DetectionEvaluation,
    DetectionScore,
    ImageOutcome,
    ShownBox,
)
from jaxeval.detection.summary import SummaryMetric, summarise

__all__ = [
    "DetectionDifference",
    "DetectionEvaluation",
    "DetectionScore",
    "FoundBoxes",
    "ImageOutcome",
    "Mask",
    "ShownBox",
    "SummaryMetric",
    "TrueBoxes",
    "summarise",
]
