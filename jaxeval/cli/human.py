"""`jaxeval human`: judgements of people, from a study to its votes."""

import click

from jaxeval.cli.human_correlate import correlate


@click.group(short_help="Collect judgements of people, and analyse them.")
def human() -> None:
    """Judgements of people, and how well metrics agree with them."""


for command in (correlate,):
    human.add_command(command)
