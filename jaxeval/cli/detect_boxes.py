"""`jaxeval detect boxes`: average precision of files of boxes."""

from typing import Any

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.detect_layout import groups_option, protocol_option, seed_option
from jaxeval.cli.detect_options import check_output, finish
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


@click.command(short_help="Average precision of files of boxes.")
@click.argument("truth", type=LOCAL_PATH)
@click.argument("found", type=LOCAL_PATH, nargs=-1, required=True)
@protocol_option
@click.option(
    "--max-detections",
    metavar="N,...",
    help="Of one category in one image, ascending; AP is of the last. [default: 1,10,100 of coco, all of voc]",
)
@click.option(
    "--zero-ids",
    default="unmatched",
    show_default=True,
    metavar="unmatched|matched",
    help="What a true box of id 0 is: never found, as pycocotools has it, or a box as others.",
)
@click.option(
    "--ignored",
    default="reference",
    show_default=True,
    metavar="reference|honoured",
    help="Whether boxes that TRUTH says to ignore count as the reference has it, or are left out.",
)
@click.option("--normalised", is_flag=True, default=None, help="FOUND has boxes in parts of their images' sides.")
@groups_option
@seed_option
@click.option("--images", metavar="IMAGES", help="That the boxes are of, for exhibits.")
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write detection.json (and exhibits/) into DIR.")
@click.option("--worst", default=8, show_default=True, metavar="N", help="Images of each set to draw; 0 for none.")
@click.option("--json", "as_json", is_flag=True, help="Print detection.json, and nothing else, on stdout.")
@compilation_cache_option
@quiet_option
def boxes(
    truth: str,
    found: tuple[str, ...],
    max_detections: str | None,
    images: str | None,
    out: str | None,
    worst: int,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Compare the boxes of FOUND, a file for each set, with those of TRUTH.

    TRUTH is COCO's annotations (.json), or a table (.csv, .tsv, .jsonl, .parquet) with the columns image, label, and
    x, y, width, height or x1, y1, x2, y2, and perhaps area, crowd, difficult. FOUND are COCO's results (.json), tables
    with a column score, too, or what `jaxeval detect find` wrote.
    """
    from jaxeval.detection import score_boxes

    check_output(out, worst)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        evaluation = score_boxes(
            truth, list(found), max_detections=_numbers(max_detections), progress=progress, **options
        )
    sets = {} if images is None else dict.fromkeys(found, images)
    finish(evaluation, sets, out=out, worst=worst, as_json=as_json)


def _numbers(given: str | None) -> list[int] | None:
    if given is None:
        return None
    try:
        return [int(one) for one in given.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--max-detections is {given!r}; give whole numbers, as in 1,10,100") from error
