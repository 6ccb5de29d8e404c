"""Rules of what images must show: a file of them, their logic on any detector's boxes, and colours."""

from jaxeval.detection.rules.asked import (
    AskedObject,
    GroupRule,
    NotRule,
    ObjectRule,
    PromptRule,
    Relation,
    Rule,
    Rules,
    objects_of,
)
from jaxeval.detection.rules.colours import (
    COLOUR_NAMES,
    ClipColours,
    Colours,
    Crop,
    FoundColour,
    NamedColours,
    load_colours,
)
from jaxeval.detection.rules.format import RULES_SCHEMA, check_rules, read_rules
from jaxeval.detection.rules.logic import (
    ImageBoxes,
    Verdict,
    boxes_by_image,
    judge,
    relative_directions,
    rows_to_colour,
)
from jaxeval.detection.rules.scoring import check_detector, rules_of_folders, score_rules

__all__ = [
    "COLOUR_NAMES",
    "RULES_SCHEMA",
    "AskedObject",
    "ClipColours",
    "Colours",
    "Crop",
    "FoundColour",
    "GroupRule",
    "ImageBoxes",
    "NamedColours",
    "NotRule",
    "ObjectRule",
    "PromptRule",
    "Relation",
    "Rule",
    "Rules",
    "Verdict",
    "boxes_by_image",
    "check_detector",
    "check_rules",
    "judge",
    "load_colours",
    "objects_of",
    "read_rules",
    "relative_directions",
    "rows_to_colour",
    "rules_of_folders",
    "score_rules",
]
