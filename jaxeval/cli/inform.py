"""`jaxeval protocols`: whose definitions there are."""

import click

__all__ = ["protocols"]


@click.command(short_help="List the protocols and what they pin.")
def protocols() -> None:
    """List the protocols: whose definition of the Frechet distance each follows, and what it pins."""
    from rich import box
    from rich.table import Table

    from jaxeval.evaluation import PROTOCOLS
    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("protocol", "follows", "resize to 299", "float to uint8", "covariance"):
        table.add_column(heading)
    for protocol in PROTOCOLS.values():
        divisor = "over N" if protocol.ddof == 0 else f"over N-{protocol.ddof}"
        table.add_row(protocol.name, protocol.follows, protocol.resize, protocol.quantise, divisor)
    output_console().print(table)
