"""`jaxeval pairs`: distorted images or videos against their references; `jaxeval score`: images by themselves."""

from pathlib import Path
from typing import Any

import click

from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr
from jaxeval.cli.scoring_options import finish, pixel_options, run_options, table_option


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
@click.option("--channels", "former", hidden=True)
@pixel_options
@click.option(
    "--pattern",
    multiple=True,
    default=["*"],
    metavar="NAME",
    help="What DISTORTED images are called, * for REFERENCE's name; for all sets, or once for each.",
)
@click.option("--suffix", multiple=True, metavar="TEXT", help="The same as --pattern '*TEXT'.")
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
@run_options
@table_option(alone=False)
def pairs(
    reference: str,
    distorted: tuple[str, ...],
    out: str | None,
    worst: int,
    worst_by: str | None,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    former: str | None,
    suffix: tuple[str, ...],
    pattern: tuple[str, ...],
    **options: Any,
) -> None:
    """Score DISTORTED images against the REFERENCE images of the same name.

    Each is a folder, a .zip or a .tar of images, an array file (.npy, .npz), an image, or a video (.y4m; .mp4, .mkv and
    others with the extra `video`, PyAV). Extensions may differ: REFERENCE/a.png and DISTORTED/a.jpg are a pair; images
    of arrays are matched by number. Floats (TIFF, arrays, and .exr with the extra `exr`) need --data-range. Several
    DISTORTED sets give one table, with paired differences.
    """
    from jaxeval.ops.image_quality.colour import of_channels
    from jaxeval.pairs import score_pairs
    from jaxeval.report import draw_exhibits

    _check(worst, worst_by, out)
    if suffix:
        if pattern != ("*",):
            raise click.UsageError("--suffix TEXT is --pattern '*TEXT'; give one of them")
        pattern = tuple(f"*{text}" for text in suffix)
    if former is not None:
        options["colour"] = of_channels(former)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        evaluation = score_pairs(reference, distorted, pattern=pattern, progress=progress, **options)

    def draw(evaluation: Any, out: str) -> list[Path]:
        return draw_exhibits(evaluation, Path(out) / "exhibits", metric=worst_by, count=worst) if worst else []

    finish(evaluation, out, draw, as_json)


@click.command(short_help="Score images or videos by themselves, without a reference.")
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--metrics",
    default="no-reference",
    show_default=True,
    metavar="NAME,...",
    help="Names, such as niqe,brisque; or no-reference, all whose weights are there; see --list.",
)
@click.option("--convention", metavar="NAME", help="Whose CLIP-IQA: NAME, or clip-iqa=NAME; see --list.")
@pixel_options
@click.option(
    "--on-error",
    default="fail",
    show_default=True,
    metavar="fail|skip",
    help="What to do about an image that cannot be read.",
)
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write scores, summary.json and exhibits/ into DIR.")
@click.option("--worst", default=8, show_default=True, metavar="N", help="Images of each set to draw; 0 for none.")
@click.option("--worst-by", metavar="NAME", help="By which metric. [default: the first that has a better direction]")
@run_options
@table_option(alone=True)
def score(
    images: tuple[str, ...],
    out: str | None,
    worst: int,
    worst_by: str | None,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Score IMAGES by themselves: NIQE, BRISQUE, PIQE, CLIP-IQA, sharpness and others.

    Each of IMAGES is a folder, an archive or an array file of images, an image, or a video. Several give one table,
    with the differences of images that have the same name.
    """
    from jaxeval.pairs import score_images
    from jaxeval.report import draw_contact_sheets

    _check(worst, worst_by, out)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        evaluation = score_images(images, progress=progress, **options)

    def draw(evaluation: Any, out: str) -> list[Path]:
        return draw_contact_sheets(evaluation, Path(out) / "exhibits", metric=worst_by, count=worst) if worst else []

    finish(evaluation, out, draw, as_json)


def _check(worst: int, worst_by: str | None, out: str | None) -> None:
    """Refuses, before anything is read, what could not be drawn or written in the end."""
    from jaxeval.files import check_writable
    from jaxeval.pairs import PAIR_MEASURES

    if worst < 0:
        raise click.UsageError(f"--worst is {worst}; it must be 0 or more")
    if worst_by is not None and worst_by not in PAIR_MEASURES:
        raise click.UsageError(f"--worst-by {worst_by!r} is not a metric")
    if out is not None:
        check_writable(out)
