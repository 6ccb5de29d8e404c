"""`jaxeval human correlate`: how well metrics agree with people."""

from pathlib import Path

import click

from jaxeval.cli.common_options import compilation_cache_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs


@click.command(short_help="Say how well metrics agree with people.")
@click.argument("scores", type=LOCAL_PATH)
@click.argument("human", type=LOCAL_PATH)
@click.option("--metrics", metavar="NAME,...", help="Of SCORES. [default: all]")
@click.option(
    "--better", multiple=True, metavar="NAME=lower|higher", help="The better direction, where it is not known."
)
@click.option(
    "--level",
    default="auto",
    show_default=True,
    metavar="auto|item|system",
    help="Match rows of items, or whole systems.",
)
@click.option(
    "--over",
    default="auto",
    show_default=True,
    metavar="auto|item|system|both",
    help="What the bootstrap draws, with all its rows.",
)
@click.option("--value", metavar="NAME", help="The column of people's values, where HUMAN has several.")
@click.option("--question", metavar="TEXT", help="The question of an analysis of several.")
@click.option(
    "--unmatched",
    default="error",
    show_default=True,
    metavar="error|skip",
    help="What to do about a row without a partner or a value.",
)
@click.option("--repeats", default=1000, show_default=True, metavar="N", help="Of the bootstrap.")
@click.option("--confidence", default=0.95, show_default=True, metavar="X", help="Of the intervals.")
@click.option("--seed", default=0, show_default=True, metavar="N", help="Of the bootstrap.")
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write correlation.json and correlation.png into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print correlation.json, and nothing else, on stdout.")
@compilation_cache_option
def correlate(
    scores: str,
    human: str,
    metrics: str | None,
    better: tuple[str, ...],
    level: str,
    over: str,
    value: str | None,
    question: str | None,
    unmatched: str,
    repeats: int,
    confidence: float,
    seed: int,
    out: str | None,
    as_json: bool,
    compilation_cache: str | None,
) -> None:
    """Say how well the metrics of SCORES agree with the people of HUMAN.

    SCORES is scores.csv of `jaxeval pairs` or `score`, result.json of `jaxeval evaluate`, or a table (.csv, .tsv,
    .jsonl, .parquet) with a column item or system, or both, and a column for each metric. HUMAN is analysis.json of
    `jaxeval human analyse`, or a table with the same names and a column value, mos, score, strength or win_rate; larger
    is better. Correlations are of metrics turned so that more is better.
    """
    from jaxeval.files import check_writable
    from jaxeval.human import correlate as correlate_files
    from jaxeval.human.values import read_scores
    from jaxeval.report import draw_human_scatter, output_console, print_correlation

    if out is not None:
        check_writable(out)
    chosen = None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()]
    known = _known_directions(list(read_scores(scores, chosen).values))
    with compiled_programs(compilation_cache):
        found = correlate_files(
            scores,
            human,
            metrics=chosen,
            better={**known, **_directions(better)},
            level=level,
            over=over,
            value=value,
            question=question,
            unmatched=unmatched,
            repeats=repeats,
            confidence=confidence,
            seed=seed,
        )
    written = []
    if out is not None:
        written = [found.save(out), draw_human_scatter(found, Path(out) / "correlation.png")]
    if as_json:
        click.echo(found.to_json())
    else:
        print_correlation(found, output_console())
    for path in written:
        click.echo(f"wrote {path}", err=as_json)


def _directions(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, direction = text.rpartition("=")
        if not equals or not name:
            raise click.UsageError(f"--better is {text!r}; give NAME=lower or NAME=higher")
        found[name] = direction
    return found


def _known_directions(metrics: list[str]) -> dict[str, str]:
    """Those of jaxeval's own measures of pairs, by the names that their columns have."""
    from jaxeval.pairs import ALL_MEASURES

    better = {name: ALL_MEASURES[name].better for name in metrics if name in ALL_MEASURES}
    return {name: direction for name, direction in better.items() if direction is not None}
