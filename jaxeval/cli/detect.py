"""`jaxeval detect`: what is in images, where, how many, and what is written there."""

import click

from jaxeval.cli.detect_boxes import boxes
from jaxeval.cli.detect_find import find
from jaxeval.cli.detect_geneval import geneval
from jaxeval.cli.detect_layout import layout
from jaxeval.cli.detect_objects import objects
from jaxeval.cli.detect_rules import rules
from jaxeval.cli.detect_text import text


@click.group(short_help="Judge images by the boxes that a detector finds in them.")
def detect() -> None:
    """Judge images by what a detector finds in them: objects, layouts, rules, GenEval, text.

    Boxes come from a detector that looks at the images (--detector), or from files of what was found (--found).
    `jaxeval detect find --list` says which detectors there are.
    """


for command in (find, objects, layout, rules, geneval, text, boxes):
    detect.add_command(command)
