"""Options that several commands have."""

import click

from jaxeval.cli.paths import LOCAL_PATH

compilation_cache_option = click.option(
    "--compilation-cache",
    type=LOCAL_PATH,
    metavar="DIR|off",
    envvar="JAXEVAL_COMPILATION_CACHE",
    help="Keep compiled programs in DIR. [default: in the user's cache folder]",
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress on stderr.")
