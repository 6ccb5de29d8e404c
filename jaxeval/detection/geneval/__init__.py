"""GenEval: 553 prompts in six tasks, judged on a detector's boxes by its own rules and thresholds.

Reference: Ghosh, Hajishirzi and Schmidt, "GenEval: An Object-Focused Framework for Evaluating Text-to-Image Alignment",
NeurIPS 2023, and its scripts `evaluate_images.py` and `summary_scores.py`.
"""

from jaxeval.detection.geneval.departures import COCO_NAMES
from jaxeval.detection.geneval.prompts import (
    IMAGES_PER_PROMPT,
    PROMPTS,
    TASKS,
    GenevalGroup,
    GenevalPrompt,
    read_geneval,
)
from jaxeval.detection.geneval.scoring import score_geneval
from jaxeval.detection.geneval.verdicts import GenevalOptions, geneval_rows_to_colour, judge_geneval

__all__ = [
    "COCO_NAMES",
    "IMAGES_PER_PROMPT",
    "PROMPTS",
    "TASKS",
    "GenevalGroup",
    "GenevalOptions",
    "GenevalPrompt",
    "geneval_rows_to_colour",
    "judge_geneval",
    "read_geneval",
    "score_geneval",
]
