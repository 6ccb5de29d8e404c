"""`jaxeval detect text`: whether images show the texts that they were asked for."""

from typing import Any

import click

from jaxeval.cli.detect_options import check_output, finish, given_boxes, judging_options, loaded_detector
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from rich import box
    from rich.table import Table

    from jaxeval.detection import TEXT_METRICS, text_normalisations
    from jaxeval.report import output_console

    numbers = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--metrics", "number", "better", "definition"):
        numbers.add_column(heading, overflow="fold")
    for name, metric in TEXT_METRICS.items():
        numbers.add_row(name, metric.label, metric.better, metric.definition)
    ways = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--normalisation", "what it does, and whose it is"):
        ways.add_column(heading, overflow="fold")
    for name, definition in text_normalisations().items():
        ways.add_row(name, definition)
    for table in (numbers, ways):
        output_console().print(table)
    context.exit()


@click.command(short_help="Is the text that was asked for in the images?")
@click.argument("asked", metavar="TEXTS")
@click.argument("images", nargs=-1)
@click.option(
    "--normalisation",
    default="words",
    show_default=True,
    metavar="NAME",
    help="What texts are the same in spite of; see --list.",
)
@click.option(
    "--metrics",
    metavar="NAME,...",
    help="Names, or all; see --list. [default: exact,word-accuracy,cer,edit-similarity]",
)
@click.option("--confidence", default=0.0, show_default=True, metavar="X", help="Boxes of less are not read.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the metrics and normalisations, and leave.",
)
@judging_options(default="ocr")
def text(
    asked: str,
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
    """Read IMAGES, and compare what they show with the TEXTS that they were asked for.

    TEXTS is a table (.csv, .tsv, .jsonl, .json, .parquet) with the columns name and text (or lines, words), and perhaps
    category and prompt. Each of IMAGES is a folder, an archive or an array file, whose images are called NAME.png,
    NAME_0.png, NAME/0.png and so on.
    """
    from jaxeval.detection import score_texts

    check_output(out, worst)
    boxes = given_boxes(images, found, detector)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        boxes |= {"detector": loaded_detector(boxes["detector"], weights_dir)}
        evaluation = score_texts(asked, **boxes, progress=progress, **options)
    finish(evaluation, images, out=out, worst=worst, as_json=as_json)
