"""`jaxeval human export`: the votes of a study as a file."""

import click

from jaxeval.cli.paths import LOCAL_PATH


@click.command(short_help="Write the votes of a study as a file.")
@click.argument("study", type=LOCAL_PATH)
@click.option(
    "--out", required=True, type=LOCAL_PATH, metavar="FILE", help="A .csv, .parquet or .jsonl: one row a vote."
)
@click.option("--database", metavar="URL", envvar="JAXEVAL_DATABASE", help="As for serve. [default: SQLite in STUDY]")
def export(study: str, out: str, database: str | None) -> None:
    """Write the answers to STUDY that were not taken back, also while it is served."""
    from jaxeval._packages import needed

    needed("sqlalchemy", "reading votes", package="'jaxeval[human]'")
    from jaxeval.human.export import export_votes

    count = export_votes(study, out, database=database)
    click.echo(f"wrote {out}: {count:,} votes")
