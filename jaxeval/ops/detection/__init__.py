"""Judging by detection: overlaps of boxes, greedy matching, average precision by the protocols of COCO and VOC."""

from jaxeval.ops.detection.accumulation import (
    PrecisionDifference,
    PrecisionDifferences,
    PrecisionRecall,
    SummaryIntervals,
    TiedScores,
    precision_curves,
    precision_differences,
    precision_intervals,
    precision_recall,
    tied_scores,
)
from jaxeval.ops.detection.boxes import box_areas, box_iou, convert_boxes
from jaxeval.ops.detection.matched import MatchedBoxes, match_detections
from jaxeval.ops.detection.matching import Matches, match_boxes
from jaxeval.ops.detection.protocols import COCO, VOC2007, VOC2010, DetectionProtocol, detection_protocol

__all__ = [
    "COCO",
    "VOC2007",
    "VOC2010",
    "DetectionProtocol",
    "MatchedBoxes",
    "Matches",
    "PrecisionDifference",
    "PrecisionDifferences",
    "PrecisionRecall",
    "SummaryIntervals",
    "TiedScores",
    "box_areas",
    "box_iou",
    "convert_boxes",
    "detection_protocol",
    "match_boxes",
    "match_detections",
    "precision_curves",
    "precision_differences",
    "precision_intervals",
    "precision_recall",
    "tied_scores",
]
