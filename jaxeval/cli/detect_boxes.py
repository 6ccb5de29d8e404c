"""`jaxeval detect boxes`: average precision of files of boxes."""

from typing import Any

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.detect_layout import protocol_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


@click.command(short_help="Average precision of files of boxes.")
@click.argument("truth", type=LOCAL_PATH)
@click.argument("found", type=LOCAL_PATH, nargs=-1, required=True)
@protocol_option
@click.option(
    "--zero-ids",
    default="unmatched",
    show_default=True,
    metavar="unmatched|matched",
    help="What a match with an annotation of id 0 is: none, as pycocotools has it, or one.",
)
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write detection.json into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print detection.json, and nothing else, on stdout.")
@compilation_cache_option
@quiet_option
def boxes(
    truth: str,
    found: tuple[str, ...],
    out: str | None,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Compare the boxes of FOUND, a file for each set, with those of TRUTH.

    TRUTH is COCO's annotations (.json), or a table (.csv, .tsv, .jsonl, .parquet) with the columns image, label and x,
    y, width, height (or x1, y1, x2, y2), and perhaps area, crowd, difficult. FOUND are COCO's results (.json), tables
    with a column score, or what `jaxeval detect find` wrote.
    """
    from jaxeval.detection import score_boxes
    from jaxeval.files import check_writable
    from jaxeval.report import output_console, print_detection

    if out is not None:
        check_writable(out)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        evaluation = score_boxes(truth, list(found), progress=progress, **options)
    written = None if out is None else evaluation.save(out)
    if as_json:
        click.echo(evaluation.to_json())
    else:
        print_detection(evaluation, output_console())
    if written is not None:
        click.echo(f"wrote {written}", err=as_json)
