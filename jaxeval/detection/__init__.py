"""Judging by detection: what is in a picture, where, how many, and what is written there."""

from jaxeval.detection.asked_objects import AskedObjects, labels_of_caption, read_objects
from jaxeval.detection.asked_texts import AskedTexts, read_texts
from jaxeval.detection.box_files import read_found_boxes, read_true_boxes, write_coco_results, write_found_boxes
from jaxeval.detection.boxes import FoundBoxes, Mask, TrueBoxes
from jaxeval.detection.detector import Detector, Findings
from jaxeval.detection.detectors import detector_names, load_detector
from jaxeval.detection.finding import find_boxes, sets_of_boxes
from jaxeval.detection.geneval import GenevalOptions, GenevalPrompt, judge_geneval, read_geneval, score_geneval
from jaxeval.detection.layouts import score_layouts
from jaxeval.detection.normalisation import Normalisation, text_normalisation, text_normalisations
from jaxeval.detection.objects import score_objects
from jaxeval.detection.pairing import Pairing, paired
from jaxeval.detection.precision import score_boxes
from jaxeval.detection.results import DetectionDifference, DetectionEvaluation, DetectionScore, ImageOutcome, ShownBox
from jaxeval.detection.rules import (
    RULES_SCHEMA,
    Rules,
    check_detector,
    check_rules,
    load_colours,
    read_rules,
    rules_of_folders,
    score_rules,
)
from jaxeval.detection.summary import SummaryMetric, summarise
from jaxeval.detection.texts import TEXT_METRICS, score_texts

__all__ = [
    "RULES_SCHEMA",
    "TEXT_METRICS",
    "AskedObjects",
    "AskedTexts",
    "DetectionDifference",
    "DetectionEvaluation",
    "DetectionScore",
    "Detector",
    "Findings",
    "FoundBoxes",
    "GenevalOptions",
    "GenevalPrompt",
    "ImageOutcome",
    "Mask",
    "Normalisation",
    "Pairing",
    "Rules",
    "ShownBox",
    "SummaryMetric",
    "TrueBoxes",
    "check_detector",
    "check_rules",
    "detector_names",
    "find_boxes",
    "judge_geneval",
    "labels_of_caption",
    "load_colours",
    "load_detector",
    "paired",
    "read_found_boxes",
    "read_geneval",
    "read_objects",
    "read_rules",
    "read_texts",
    "read_true_boxes",
    "rules_of_folders",
    "score_boxes",
    "score_geneval",
    "score_layouts",
    "score_objects",
    "score_rules",
    "score_texts",
    "sets_of_boxes",
    "summarise",
    "text_normalisation",
    "text_normalisations",
    "write_coco_results",
    "write_found_boxes",
]
