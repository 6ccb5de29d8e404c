"""`jaxeval detect find`: what a detector finds in images, as files of boxes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.detect_options import detector_option, looking_options, weights_dir_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr

# What finds what, which module it needs, and what of jaxeval's extras installs that.
_KNOWN = {
    "ocr": ("lines of text, and what is written there (RapidOCR)", "rapidocr_onnxruntime", "ocr"),
    "faces": ("faces; cat faces, people, eyes by ?cascade=NAME (OpenCV's cascades)", "cv2", "faces"),
    "onnx:FILE?decoding=NAME": ("what a model finds that was exported to ONNX", "onnxruntime", "onnx"),
}
_OWN = "MODULE:FUNCTION"


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    import importlib.util

    from rich import box
    from rich.table import Table

    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--detector", "finds", "needs", "installed"):
        table.add_column(heading, overflow="fold")
    for name, (what, module, extra) in _KNOWN.items():
        there = importlib.util.find_spec(module) is not None
        table.add_row(name, what, f"jaxeval\\[{extra}]", "yes" if there else "no")
    table.add_row(_OWN, "what your own function finds", "", "")
    output_console().print(table)
    context.exit()


@click.command(short_help="Find boxes in images, and write them.")
@click.argument("images", nargs=-1, required=True)
@detector_option()
@click.option(
    "--out",
    type=LOCAL_PATH,
    metavar="FILE|DIR",
    help="Write the boxes of one set into FILE.json, or those of each set into DIR.",
)
@click.option(
    "--coco",
    type=LOCAL_PATH,
    metavar="FILE",
    help="Write COCO's results in the place of jaxeval's own file, with the ids that these annotations have.",
)
@click.option(
    "--exif",
    default="apply",
    show_default=True,
    metavar="apply|ignore",
    help="Whether images are turned as EXIF says before they are looked at.",
)
@weights_dir_option
@looking_options
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the detectors and leave."
)
@compilation_cache_option
@quiet_option
def find(
    images: tuple[str, ...],
    detector: str | None,
    out: str | None,
    coco: str | None,
    weights_dir: str | None,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Find boxes in IMAGES and write them, for other commands to take by --found.

    Each of IMAGES is a folder, an archive or an array file. The detector sees RGB of 8 bits. With --cache the same
    command goes on where it was interrupted.
    """
    from jaxeval.detection import load_detector, read_true_boxes, sets_of_boxes, write_coco_results, write_found_boxes
    from jaxeval.files import check_writable
    from jaxeval.report import output_console, print_found

    if detector is None:
        raise click.UsageError("give --detector SPEC; `jaxeval detect find --list` says which there are")
    if coco is not None and out is None:
        raise click.UsageError("--coco says how boxes are written; give --out FILE or DIR, too")
    places = _places(images, out)
    for place in places.values():
        check_writable(place.parent)
    truth = None if coco is None else read_true_boxes(coco)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        loaded = load_detector(detector, weights_dir=weights_dir)
        sets = sets_of_boxes(list(images), detector=loaded, progress=progress, **options)
    written = [
        write_found_boxes(found, places[name])
        if truth is None
        else write_coco_results(found, places[name], truth=truth)
        for name, found in sets.items()
        if places
    ]
    print_found(sets, output_console())
    for path in written:
        click.echo(f"wrote {path}")


def _places(images: Sequence[str], out: str | None) -> dict[str, Path]:
    """Where the boxes of each set go; nowhere if nothing is to be written."""
    from jaxeval.report.drawing import file_names

    if out is None:
        return {}
    if out.lower().endswith(".json"):
        if len(images) > 1:
            raise click.UsageError(f"--out {out!r} is one file for {len(images)} sets; give a folder")
        return {images[0]: Path(out)}
    return {name: Path(out) / f"{own}.json" for name, own in zip(images, file_names(images), strict=True)}
