"""`jaxeval detect layout`: whether what is found lies where a layout asked for it."""

from typing import Any

import click

from jaxeval.cli.detect_options import check_output, finish, given_boxes, judging_options, loaded_detector
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr

protocol_option = click.option(
    "--protocol",
    default="coco",
    show_default=True,
    metavar="coco|voc2007|voc2010",
    help="Whose average precision.",
)
groups_option = click.option(
    "--groups", default=20, show_default=True, metavar="N", help="Of images, for intervals by the jackknife."
)
seed_option = click.option("--seed", default=0, show_default=True, metavar="N", help="Of the division into groups.")


@click.command(short_help="Do objects lie where a layout asked for them?")
@click.argument("layouts", type=LOCAL_PATH)
@click.argument("images", nargs=-1)
@protocol_option
@groups_option
@seed_option
@click.option(
    "--normalised/--pixels",
    default=None,
    help="Whether LAYOUTS have boxes in parts of the image's sides. [default: in pixels]",
)
@judging_options()
def layout(
    layouts: str,
    images: tuple[str, ...],
    detector: str | None,
    found: tuple[str, ...],
    weights_dir: str | None,
    out: str | None,
    worst: int,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Compare the boxes that are found in IMAGES with the LAYOUTS that they were made from.

    LAYOUTS is COCO's annotations (.json), or a table (.csv, .tsv, .jsonl, .parquet) with the columns image, label, and
    x, y, width, height or x1, y1, x2, y2. IMAGES are called as LAYOUTS say, also NAME_0.png, NAME/0.png and so on.
    """
    from jaxeval.detection import score_layouts

    check_output(out, worst)
    boxes = given_boxes(images, found, detector)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        boxes |= {"detector": loaded_detector(boxes["detector"], weights_dir)}
        evaluation = score_layouts(layouts, **boxes, progress=progress, **options)
    finish(evaluation, images, out=out, worst=worst, as_json=as_json)
