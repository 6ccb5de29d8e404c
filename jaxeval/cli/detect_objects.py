"""`jaxeval detect objects`: semantic object accuracy."""

from typing import Any

import click

from jaxeval.cli.detect_options import check_output, finish, given_boxes, judging_options, loaded_detector
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


@click.command(short_help="Are the objects that were asked for in the images?")
@click.argument("asked", metavar="OBJECTS")
@click.argument("images", nargs=-1)
@click.option("--confidence", default=0.5, show_default=True, metavar="X", help="That a box has at least.")
@judging_options()
def objects(
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
    """Say whether IMAGES show the OBJECTS that they were asked for: SOA-C and SOA-I, and each class.

    OBJECTS is a table (.csv, .tsv, .jsonl, .json, .parquet) with the columns name and label, a row for each object, and
    perhaps prompt; or the word soa-folders, where images lie in folders such as label_16_dog. Each of IMAGES is a
    folder, an archive or an array file, whose images are called NAME.png, NAME_0.png, NAME/0.png and so on.
    """
    from jaxeval.detection import score_objects

    check_output(out, worst)
    boxes = given_boxes(images, found, detector)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        boxes |= {"detector": loaded_detector(boxes["detector"], weights_dir)}
        evaluation = score_objects(asked, **boxes, progress=progress, **options)
    finish(evaluation, images, out=out, worst=worst, as_json=as_json)
