"""`jaxeval human serve`: a study to the browsers of its raters."""

import click

from jaxeval.cli.common_options import quiet_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.progress import progress_on_stderr


@click.command(short_help="Serve a study to raters.")
@click.argument("study", type=LOCAL_PATH)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="To listen at; others than 127.0.0.1 let other machines in, without TLS.",
)
@click.option("--port", type=int, default=8000, show_default=True, metavar="N", help="0 for any that is free.")
@click.option(
    "--raters",
    type=int,
    metavar="N",
    help="Make links until N raters have one; all are in STUDY/links.csv. With --open: the most that may join.",
)
@click.option("--open", "open_enrolment", is_flag=True, help="Raters join by themselves.")
@click.option(
    "--database",
    metavar="URL",
    envvar="JAXEVAL_DATABASE",
    help="postgresql://..., for several server processes. [default: SQLite in STUDY]",
)
@click.option("--url", metavar="URL", help="Under which browsers reach it through a proxy: https://rate.example.org.")
@quiet_option
def serve(
    study: str,
    host: str,
    port: int,
    raters: int | None,
    open_enrolment: bool,
    database: str | None,
    url: str | None,
    quiet: bool,
) -> None:
    """Serve STUDY until Ctrl-C. Every answer is on disk before it is acknowledged."""
    from jaxeval._packages import needed

    for module in ("starlette", "uvicorn", "sqlalchemy"):
        needed(module, "serving a study", package="'jaxeval[human]'")
    from jaxeval.human.serving import serve as serve_study

    def say(line: str) -> None:
        click.echo(line)

    with progress_on_stderr(quiet) as progress:
        serve_study(
            study,
            host=host,
            port=port,
            raters=raters,
            open_enrolment=open_enrolment,
            database=database,
            url=url,
            say=say,
            progress=progress,
        )
