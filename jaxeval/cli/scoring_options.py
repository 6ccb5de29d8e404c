"""The options that `jaxeval pairs` and `jaxeval score` have in common, and the table of their metrics."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.paths import LOCAL_PATH

_Command = TypeVar("_Command", bound=Callable[..., Any])


def table_option(*, alone: bool) -> Callable[[_Command], _Command]:
    """`--list`: prints the table of the measures that `--metrics` takes; of those without a reference if `alone`."""

    def show(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted:
            _print_measures(alone)
            context.exit()

    return click.option(
        "--list", is_flag=True, is_eager=True, expose_value=False, callback=show, help="List the metrics and leave."
    )


def _print_measures(alone: bool) -> None:
    from rich import box
    from rich.table import Table

    from jaxeval.pairs import ALL_MEASURES, POOLED_MEASURES
    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--metrics", "number", "better", "least side", "of", "definition", "--convention", "weights"):
        table.add_column(heading, overflow="fold")
    for measure in ALL_MEASURES.values():
        if alone and not measure.alone:
            continue
        table.add_row(
            measure.name,
            measure.label,
            measure.better or "neither",
            str(measure.least_side),
            "one image" if measure.alone else "a video" if measure.name in POOLED_MEASURES else "a pair",
            measure.definition,
            ", ".join(measure.conventions),
            ", ".join(measure.weights),
        )
    output_console().print(table)


_OF_PIXELS = (
    click.option(
        "--colour",
        default="own",
        show_default=True,
        metavar="NAME",
        help="What metrics of gray or of channels look at: own, each-channel, y, y-rounded, rgb2gray, bt601, bt709.",
    ),
    click.option(
        "--gray",
        default="as-is",
        show_default=True,
        metavar="as-is|as-rgb",
        help="Take gray images as they are, or as RGB, so that they go with RGB ones.",
    ),
    click.option("--crop-border", default=0, show_default=True, metavar="N", help="Pixels left out along every edge."),
    click.option("--modcrop", default=1, metavar="N", help="Crop ends so that sides are multiples of N. [default: no]"),
    click.option("--data-range", type=float, metavar="X", help="Of the values; floats need it. [default: of the bits]"),
    click.option(
        "--alpha",
        default="drop",
        show_default=True,
        metavar="drop|white|black",
        help="Drop alpha and take the colours under it, or lay images over white or black.",
    ),
    click.option(
        "--exif",
        default="ignore",
        show_default=True,
        metavar="ignore|apply",
        help="Whether pixels are turned as EXIF says. A TIFF's own orientation always is applied.",
    ),
)
_OF_THE_RUN = (
    click.option("--batch-size", default=16, show_default=True, metavar="N", help="Most images at a time."),
    click.option("--threads", type=int, metavar="N", help="That decode images. [default: one per processor]"),
    click.option(
        "--weights-dir", type=LOCAL_PATH, metavar="DIR", envvar="JAXEVAL_WEIGHTS", help="Where weights are kept."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print summary.json, and nothing else, on stdout."),
    compilation_cache_option,
    quiet_option,
)


def pixel_options(command: _Command) -> _Command:
    """Options on what of an image's pixels is compared."""
    return _with(command, _OF_PIXELS)


def run_options(command: _Command) -> _Command:
    """Options on how a run goes, and what it prints."""
    return _with(command, _OF_THE_RUN)


def _with(command: _Command, options: tuple[Callable[[_Command], _Command], ...]) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def finish(evaluation: Any, out: str | None, draw: Callable[[Any, str], list[Any]], as_json: bool) -> None:
    """Writes what was asked for and prints the result.

    Args:
      evaluation: a `PairsEvaluation`.
      out: the folder to write into; None for none.
      draw: draws the exhibits into it and returns their paths.
      as_json: whether the JSON document is printed in place of the table.
    """
    from pathlib import Path

    from jaxeval.pairs.files import save_scores
    from jaxeval.report import draw_curves, output_console, print_pairs

    written, missing = [], None
    if out is not None:
        scores, missing = save_scores(evaluation.scores, out)
        written = [evaluation.save(out), *scores]
        if evaluation.manifest["kind"] == "frames":
            written.append(draw_curves(evaluation, Path(out) / "frames.png"))
        written += draw(evaluation, out)
    if as_json:
        click.echo(evaluation.to_json())
    else:
        print_pairs(evaluation, output_console())
    for path in written:
        click.echo(f"wrote {path}", err=as_json)
    if missing is not None:
        click.echo(f"note: {missing}", err=True)
