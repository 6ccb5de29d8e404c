"""`jaxeval pairs`: distorted images or videos against their references, one by one."""

from typing import Any

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Prints the table of the measures that `--metrics` takes."""
    if not wanted:
        return
    from rich import box
    from rich.table import Table

    from jaxeval.pairs import PAIR_MEASURES
    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--metrics", "number", "better", "least side", "of", "definition", "--convention", "weights"):
        table.add_column(heading, overflow="fold")
    for measure in PAIR_MEASURES.values():
        table.add_row(
            measure.name,
            measure.label,
            measure.better or "neither",
            str(measure.least_side),
            "one image" if measure.alone else "a pair",
            measure.definition,
            ", ".join(measure.conventions),
            ", ".join(measure.weights),
        )
    output_console().print(table)
    context.exit()


@click.command(short_help="Score distorted images or videos against their references.")
@click.argument("reference")
@click.argument("distorted", nargs=-1, required=True)
@click.option(
    "--metrics",
    default="psnr,ssim",
    show_default=True,
    metavar="NAME,...",
    help="Names, or all, full-reference, no-reference; see --list.",
)
@click.option(
    "--convention", metavar="NAME", help="Whose SSIM, MS-SSIM, LPIPS, ...: NAME, or ssim=NAME,nlpd=NAME; see --list."
)
@click.option("--channels", default="all", show_default=True, metavar="all|y|y-rounded", help="Of the luma instead.")
@click.option("--crop-border", default=0, show_default=True, metavar="N", help="Pixels left out along every edge.")
@click.option("--data-range", type=float, metavar="X", help="Of the values; floats need it. [default: 255 or 65535]")
@click.option(
    "--alpha",
    default="drop",
    show_default=True,
    metavar="drop|white|black",
    help="Drop alpha and take the colours under it, or lay images over white or black.",
)
@click.option(
    "--exif",
    default="ignore",
    show_default=True,
    metavar="ignore|apply",
    help="Whether pixels are turned as EXIF says. A TIFF's own orientation always is applied.",
)
@click.option(
    "--unmatched",
    default="error",
    show_default=True,
    metavar="error|skip",
    help="What to do about an image (or frame) without a partner.",
)
@click.option(
    "--on-error",
    default="fail",
    show_default=True,
    metavar="fail|skip",
    help="What to do about an image that cannot be read or has another size than its partner.",
)
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write scores, summary.json and exhibits/ into DIR.")
@click.option("--worst", default=8, show_default=True, metavar="N", help="Pairs of each set to draw; 0 for none.")
@click.option("--worst-by", metavar="NAME", help="By which metric. [default: the first]")
@click.option("--batch-size", default=16, show_default=True, metavar="N", help="Most images at a time.")
@click.option("--threads", type=int, metavar="N", help="That decode images. [default: one per processor]")
@click.option("--weights-dir", type=LOCAL_PATH, metavar="DIR", envvar="JAXEVAL_WEIGHTS", help="Where weights are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json, and nothing else, on stdout.")
@compilation_cache_option
@quiet_option
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the metrics and leave."
)
def pairs(
    reference: str,
    distorted: tuple[str, ...],
    out: str | None,
    worst: int,
    worst_by: str | None,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Score DISTORTED images against the REFERENCE images of the same name.

    Each is a folder, a .zip or a .tar of images, an array file (.npy, .npz), an image, or a video (.y4m; others with
    the extra `video`). Extensions may differ: REFERENCE/a.png and DISTORTED/a.jpg are a pair; images of arrays are
    matched by number. Floats (TIFF, arrays, and .exr with the extra `exr`) need --data-range. Several DISTORTED sets
    give one table, with paired differences.
    """
    from pathlib import Path

    from jaxeval.files import check_writable
    from jaxeval.pairs import PAIR_MEASURES, score_pairs
    from jaxeval.pairs.files import save_scores
    from jaxeval.report import draw_curves, draw_exhibits, output_console, print_pairs

    if worst < 0:
        raise click.UsageError(f"--worst is {worst}; it must be 0 or more")
    if worst_by is not None and worst_by not in PAIR_MEASURES:
        raise click.UsageError(f"--worst-by {worst_by!r} is not a metric")
    if out is not None:
        check_writable(out)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        evaluation = score_pairs(reference, distorted, progress=progress, **options)
    written, missing = [], None
    if out is not None:
        scores, missing = save_scores(evaluation.scores, out)
        written = [evaluation.save(out), *scores]
        if evaluation.manifest["kind"] == "frames":
            written.append(draw_curves(evaluation, Path(out) / "frames.png"))
        if worst:
            written += draw_exhibits(evaluation, Path(out) / "exhibits", metric=worst_by, count=worst)
    if as_json:
        click.echo(evaluation.to_json())
    else:
        print_pairs(evaluation, output_console())
    for path in written:
        click.echo(f"wrote {path}", err=as_json)
    if missing is not None:
        click.echo(f"note: {missing}", err=True)
