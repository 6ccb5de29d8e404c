"""Judging by detection: what is in a picture, where, how many, and what is written there."""

from jaxeval.detection.asked_objects import AskedObjects, labels_of_caption, read_objects
from jaxeval.detection.asked_texts import AskedTexts, read_texts
from jaxeval.detection.box_files import read_found_boxes, read_true_boxes, write_coco_results, write_found_boxes
from jaxeval.detection.boxes import FoundBoxes, Mask, TrueBoxes
from jaxeval.detection.detector import Detector, Findings
from jaxeval.detection.detectors import detector_names, load_detector
from jaxeval.detection.finding import find_boxes, sets_of_boxes
from jaxeval.detection.layouts import score_layouts
from jaxeval.detection.normalisation import Normalisation, text_normalisation, text_normalisations
from jaxeval.detection.objects import score_objects
from jaxeval.detection.precision import score_boxes
from jaxeval.detection.results import DetectionDifference, DetectionEvaluation, DetectionScore, ImageOutcome, ShownBox
from jaxeval.detection.summary import SummaryMetric, summarise
from jaxeval.detection.texts import TEXT_METRICS, score_texts

__all__ = [
    "TEXT_METRICS",
    "AskedObjects",
    "AskedTexts",
    "DetectionDifference",
    "DetectionEvaluation",
    "DetectionScore",
    "Detector",
    "Findings",
    "FoundBoxes",
    "ImageOutcome",
    "Mask",
    "Normalisation",
    "ShownBox",
    "SummaryMetric",
    "TrueBoxes",
    "detector_names",
    "find_boxes",
    "labels_of_caption",
    "load_detector",
    "read_found_boxes",
    "read_objects",
    "read_texts",
    "read_true_boxes",
    "score_boxes",
    "score_layouts",
    "score_objects",
    "score_texts",
    "sets_of_boxes",
    "summarise",
    "text_normalisation",
    "text_normalisations",
    "write_coco_results",
    "write_found_boxes",
]
