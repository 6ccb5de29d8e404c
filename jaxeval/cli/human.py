"""`jaxeval human`: judgements of people, from a study to what they say."""

import click

from jaxeval.cli.human_analyse import analyse
from jaxeval.cli.human_collect import collect
from jaxeval.cli.human_correlate import correlate
from jaxeval.cli.human_export import export
from jaxeval.cli.human_serve import serve


@click.group(short_help="Collect judgements of people, and analyse them.")
def human() -> None:
    """Judgements of people: make a study, serve it to raters, export their votes, and say what these say."""


for command in (collect, serve, export, analyse, correlate):
    human.add_command(command)
