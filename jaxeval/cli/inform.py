"""`jaxeval protocols` and `jaxeval metrics`: whose definitions there are, and of what."""

import click


@click.command(short_help="List the protocols and what they pin.")
def protocols() -> None:
    """List the protocols: whose definition of the Frechet distance each follows, and what it pins."""
    from rich import box
    from rich.table import Table

    from jaxeval.evaluation import PROTOCOLS
    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("protocol", "follows", "resize", "float to uint8", "covariance"):
        table.add_column(heading)
    for protocol in PROTOCOLS.values():
        divisor = "over N" if protocol.ddof == 0 else f"over N-{protocol.ddof}"
        resize = (
            f"{protocol.resize} to 299" if protocol.size == "network" else "none (jax-fid@HxW: " + protocol.resize + ")"
        )
        table.add_row(protocol.name, protocol.follows, resize, protocol.quantise, divisor)
    output_console().print(table)


@click.command(short_help="List the metrics and what they need.")
def metrics() -> None:
    """List the metrics: what --metrics takes, the numbers that each gives, and what it needs beside two sets."""
    from rich import box
    from rich.table import Table

    from jaxeval.evaluation import MEASURES
    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--metrics", "numbers", "over Inception", "better", "needs"):
        table.add_column(heading)
    for measure in MEASURES.values():
        numbers = measure.numbers
        table.add_row(
            measure.name,
            ", ".join(number.label for number in numbers),
            ", ".join(number.inception for number in numbers if number.inception),
            ", ".join(measure.directions),
            ", ".join(measure.needs),
        )
    output_console().print(table)
