"""`jaxeval evaluate` and `jaxeval stats`: the two commands that read images."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import click

from jaxeval.errors import JaxevalError

__all__ = ["evaluate", "stats"]


def _reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that turns images into features."""
    options = (
        click.option(
            "--extractor",
            default="inception",
            show_default=True,
            metavar="NAME",
            help="inception, lite0, pixels or random-conv.",
        ),
        click.option("--batch-size", default=32, show_default=True, metavar="N", help="Images at a time."),
        click.option("--limit", type=int, metavar="N", help="At most N images of each set."),
        click.option("--seed", default=0, show_default=True, metavar="N", help="Of everything random."),
        click.option(
            "--value-range", type=float, nargs=2, metavar="LOW HIGH", help="Of float images in .npy and .npz."
        ),
        click.option(
            "--on-error",
            default="fail",
            show_default=True,
            metavar="fail|skip",
            help="What to do about an image that cannot be read; skipped ones are counted.",
        ),
        click.option("--threads", type=int, metavar="N", help="That decode images. [default: one per processor]"),
        click.option("--cache", metavar="DIR", help="Keep features and statistics in DIR."),
        click.option("--weights-dir", metavar="DIR", envvar="JAXEVAL_WEIGHTS", help="Where weights are kept."),
        click.option("--quiet", is_flag=True, help="No progress on stderr."),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@click.command(short_help="Compare generated images with a reference.")
@click.argument("reference")
@click.argument("generated", nargs=-1, required=True)
@click.option("--metrics", metavar="NAME,...", help="fid (Inception only) or fd. [default: the extractor's]")
@click.option(
    "--protocol",
    default="torch-fidelity",
    show_default=True,
    metavar="NAME,...",
    help="Whose definition; several give several columns. See `jaxeval protocols`.",
)
@click.option("--out", metavar="DIR", help="Write result.json into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document, and nothing else, on stdout.")
@_reading_options
def evaluate(
    reference: str, generated: tuple[str, ...], out: str | None, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Compare one or more sets of GENERATED images with a REFERENCE.

    Each is a folder, a zip, a tar or a pattern of tar shards, an .npy or .npz, or tfds:NAME:SPLIT. REFERENCE
    can also be the .npz that `jaxeval stats` writes, or one with mu and sigma as pytorch-fid and ADM have it.
    """
    from jaxeval.evaluation import Evaluation, check_writable
    from jaxeval.evaluation import evaluate as run
    from jaxeval.report import output_console, print_results

    if out is not None:
        check_writable(out)

    def deliver(evaluation: Evaluation) -> None:
        written = None if out is None else evaluation.save(out)
        if as_json:
            click.echo(evaluation.to_json())
        elif evaluation.results:
            print_results(evaluation.results, output_console())
        if written is not None:
            click.echo(f"wrote {written}", err=as_json)

    try:
        with _progress(quiet) as progress:
            evaluation = run(reference, list(generated), progress=progress, **options)
    except JaxevalError as error:
        if error.partial is not None and error.partial.results:
            deliver(error.partial)  # hours of work may lie in the sets that were finished before
        raise
    deliver(evaluation)


@click.command(short_help="Write reusable statistics of a reference set.")
@click.argument("data")
@click.option("--out", "path", required=True, metavar="FILE.npz", help="Where to write them.")
@click.option("--protocol", default="torch-fidelity", show_default=True, metavar="NAME", help="Whose definition.")
@_reading_options
def stats(data: str, path: str, quiet: bool, **options: Any) -> None:
    """Compute the feature statistics of DATA once, for `evaluate` to use as its REFERENCE."""
    from pathlib import Path

    from jaxeval.evaluation import check_writable, reference_statistics

    check_writable(Path(path).parent)
    with _progress(quiet) as progress:
        statistics = reference_statistics(data, path, progress=progress, **options)
    click.echo(f"wrote {path}: {statistics.count:,} images, {statistics.feature_size:,} features")


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    """Progress on stderr, which gives the terminal back whatever happens."""
    if quiet:
        yield None
        return
    from rich.console import Console

    from jaxeval.report import progress_for

    progress = progress_for(Console(stderr=True))
    try:
        yield progress
    finally:
        progress.close()
