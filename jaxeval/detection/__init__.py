"""Judging by detection: what is in a picture, where, how many, and what is written there."""

from jaxeval.detection.asked_objects import AskedObjects, labels_of_caption, read_objects
from jaxeval.detection.asked_texts import AskedTexts, read_texts
from jaxeval.detection.boxes import FoundBoxes, Mask, TrueBoxes
from jaxeval.detection.normalisation import Normalisation, text_normalisation, text_normalisations
from jaxeval.detection.objects import score_objects
from jaxeval.detection.results import (
    DetectionDifference,
    DetectionEvaluation,
    DetectionScore,
    ImageOutcome,
    ShownBox,
)
from jaxeval.detection.summary import SummaryMetric, summarise
from jaxeval.detection.texts import TEXT_METRICS, score_texts

__all__ = [
    "TEXT_METRICS",
    "AskedObjects",
    "AskedTexts",
    "DetectionDifference",
    "DetectionEvaluation",
    "DetectionScore",
    "FoundBoxes",
    "ImageOutcome",
    "Mask",
    "Normalisation",
    "ShownBox",
    "SummaryMetric",
    "TrueBoxes",
    "labels_of_caption",
    "read_objects",
    "read_texts",
    "score_objects",
    "score_texts",
    "summarise",
    "text_normalisation",
    "text_normalisations",
]
