"""`jaxeval detect geneval`: GenEval's prompts, judged by its own rules."""

from typing import Any

import click

from jaxeval.cli.detect_options import check_output, finish, given_boxes, judging_options, pairs_of
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


@click.command(short_help="GenEval: objects, counts, colours, positions.")
@click.argument("metadata", type=LOCAL_PATH)
@click.argument("images", nargs=-1)
@click.option(
    "--colours",
    default="clip",
    show_default=True,
    metavar="clip|named",
    help="How colours are told: GenEval's way, or one that needs no weights and is not GenEval's.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="CLASS=LABEL",
    help="What the detector calls one of GenEval's classes; COCO's three other names are known.",
)
@click.option("--confidence", default=0.3, show_default=True, metavar="X", help="That a box must exceed.")
@click.option(
    "--counting-confidence", default=0.9, show_default=True, metavar="X", help="The same of the task counting."
)
@click.option("--most-objects", default=16, show_default=True, metavar="N", help="Boxes of a class that are kept.")
@click.option("--margin", default=0.1, show_default=True, metavar="X", help="Of positions.")
@click.option(
    "--check",
    type=LOCAL_PATH,
    metavar="RULES",
    help="Rules of what is seen in --check-images, which the detector must know before anything else is done.",
)
@click.option("--check-images", metavar="IMAGES", help="Photographs whose content is known.")
@click.option(
    "--check-share", default=0.9, show_default=True, metavar="X", help="The least share of them that must be known."
)
@judging_options()
def geneval(
    metadata: str,
    images: tuple[str, ...],
    detector: str | None,
    found: tuple[str, ...],
    labels: tuple[str, ...],
    confidence: float,
    counting_confidence: float,
    most_objects: int,
    margin: float,
    check: str | None,
    check_images: str | None,
    out: str | None,
    worst: int,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Judge IMAGES of GenEval's prompts by its rules.

    METADATA is GenEval's evaluation_metadata.jsonl (github.com/djghosh13/geneval, in prompts/), or a folder of folders
    00000, 00001 and so on. IMAGES lie in 00000/samples/0000.png, as GenEval's own generation writes them, or are called
    00000_0.png. Its published numbers are of a Mask2Former; under another detector they compare with each other alone.
    """
    from jaxeval.detection.geneval import GenevalOptions, score_geneval

    check_output(out, worst)
    boxes = given_boxes(images, found, detector)
    known = pairs_of(labels, "--label", "CLASS=LABEL, as in 'computer mouse=mouse'")
    if (check is None) != (check_images is None):
        raise click.UsageError("--check and --check-images go together; give both")
    if check is not None and found:
        raise click.UsageError("--check tries a detector, and --found has none; give --detector")
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        evaluation = score_geneval(
            metadata,
            **boxes,
            labels=known or None,
            options=GenevalOptions(confidence, counting_confidence, most_objects, margin),
            check=check,
            check_images=check_images,
            progress=progress,
            **options,
        )
    finish(evaluation, images, out=out, worst=worst, as_json=as_json)
