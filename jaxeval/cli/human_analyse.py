"""`jaxeval human analyse`: what people's votes say."""

from pathlib import Path

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


@click.command(short_help="Fit the votes of a study, with intervals over raters and items.")
@click.argument("votes", type=LOCAL_PATH)
@click.option(
    "--model",
    metavar="NAME",
    help="Of pairs bradley-terry, davidson, rao-kupper, thurstone, glenn-david; of scores opinion-scores, "
    "mean-opinion. [default: davidson with ties and bradley-terry without; opinion-scores]",
)
@click.option("--systems", metavar="NAME,...", help="That there are. [default: those in VOTES]")
@click.option(
    "--penalty", type=float, metavar="X", help="On strengths. [default: none, or 0.1 where they would be infinite]"
)
@click.option(
    "--exclude", metavar="FLAG,...", help="Leave raters out who are: contrary, fast, checks, repeats, one side."
)
@click.option(
    "--fast-ms", default=500.0, show_default=True, metavar="MS", help="Answers in less than this are too fast."
)
@click.option("--repeats", default=1000, show_default=True, metavar="N", help="Of the bootstrap.")
@click.option("--seed", default=0, show_default=True, metavar="N", help="Of the bootstrap.")
@click.option(
    "--on-error",
    default="fail",
    show_default=True,
    metavar="fail|skip",
    help="What to do about a row that is no vote; skip counts and names it.",
)
@click.option("--database", metavar="URL", envvar="JAXEVAL_DATABASE", help="Of a study that is not kept in its folder.")
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write analysis.json and figures into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print analysis.json, and nothing else, on stdout.")
@compilation_cache_option
@quiet_option
def analyse(
    votes: str,
    model: str | None,
    systems: str | None,
    penalty: float | None,
    exclude: str | None,
    fast_ms: float,
    repeats: int,
    seed: int,
    on_error: str,
    database: str | None,
    out: str | None,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
) -> None:
    """Say what people's VOTES mean: a study's folder, or a file (.csv, .tsv, .jsonl, .parquet) of one design.

    Systems with strengths, opinion scores or error rates, their intervals over other raters and other items, and the
    places that they may have; pairs; how each rater answered; sides, order, agreement; and how many votes the next
    study needs.
    """
    from jaxeval.files import check_writable
    from jaxeval.human import analyse as analyse_votes
    from jaxeval.report import draw_analysis, output_console, print_analysis

    if out is not None:
        check_writable(out)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        found = analyse_votes(
            votes,
            model=model,
            systems=_names(systems) or None,
            penalty=penalty,
            exclude=_names(exclude),
            fast_ms=fast_ms,
            repeats=repeats,
            seed=seed,
            on_error=on_error,
            database=database,
            progress=progress,
        )
    written = []
    if out is not None:
        written = [found.save(out), *draw_analysis(found, Path(out))]
    if as_json:
        click.echo(found.to_json())
    else:
        print_analysis(found, output_console())
    for path in written:
        click.echo(f"wrote {path}", err=as_json)


def _names(given: str | None) -> list[str]:
    return [name.strip() for name in (given or "").split(",") if name.strip()]
