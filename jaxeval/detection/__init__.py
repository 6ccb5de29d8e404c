"""Judging by detection: what is in a picture, where, how many, and what is written there."""

from jaxeval.detection.box_files import read_found_boxes, read_true_boxes, write_coco_results, write_found_boxes
from jaxeval.detection.boxes import FoundBoxes, Mask, TrueBoxes
from jaxeval.detection.detector import Detector, Findings
from jaxeval.detection.detectors import detector_names, load_detector
from jaxeval.detection.finding import find_boxes, sets_of_boxes
from jaxeval.detection.results import (
    DetectionDifference,
    DetectionEvaluation,
    DetectionScore,
    ImageOutcome,
    ShownBox,
)

__all__ = [
    "DetectionDifference",
    "DetectionEvaluation",
    "DetectionScore",
    "Detector",
    "Findings",
    "FoundBoxes",
    "ImageOutcome",
    "Mask",
    "ShownBox",
    "TrueBoxes",
    "detector_names",
    "find_boxes",
    "load_detector",
    "read_found_boxes",
    "read_true_boxes",
    "sets_of_boxes",
    "write_coco_results",
    "write_found_boxes",
]
