"""`jaxeval protocols`, `metrics` and `extractors`: whose definitions there are, of what, and over which networks."""

import click


@click.command(short_help="List the protocols and what they pin.")
def protocols() -> None:
    """List the protocols: whose definition of the Fréchet distance each follows, and what it pins."""
    from rich import box
    from rich.table import Table

    from jaxeval.evaluation import PROTOCOLS
    from jaxeval.report import output_console

    of_images = ("follows", "resize", "levels of x in -1 to 1", "covariance")
    of_numbers = ("kernel distance", "Inception score", "precision, recall")
    for headings in (of_images, of_numbers):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("protocol", *headings):
            table.add_column(heading)
        for protocol in PROTOCOLS.values():
            table.add_row(*(protocol.words[heading] for heading in ("protocol", *headings)))
        output_console().print(table)


@click.command(short_help="List the metrics and what they need.")
def metrics() -> None:
    """List the metrics: what --metrics takes, the numbers that each gives, and what it needs beside two sets."""
    from rich import box
    from rich.table import Table

    from jaxeval.evaluation import MEASURES
    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--metrics", "numbers", "over Inception", "what they are", "better", "needs"):
        table.add_column(heading)
    for measure in MEASURES.values():
        numbers = measure.numbers
        table.add_row(
            measure.name,
            ", ".join(number.label for number in numbers),
            ", ".join(number.inception for number in numbers if number.inception),
            measure.what,
            ", ".join(measure.directions),
            ", ".join(measure.needs),
        )
    output_console().print(table)


@click.command(short_help="List the networks that --extractor takes.")
def extractors() -> None:
    """List the networks: what --extractor takes, and what each is. Whose weights are there: `jaxeval weights list`."""
    from rich import box
    from rich.table import Table

    from jaxeval.extractors import extractor_names, load_extractor
    from jaxeval.extractors.catalogue import CATALOGUE
    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("--extractor", "network", "licence of the weights"):
        table.add_column(heading, overflow="fold")
    for name in extractor_names():
        known = CATALOGUE.get(name)
        if known is None:
            table.add_row(name, load_extractor(name).description, "no weights")
        else:
            table.add_row(name, known.description, known.licence)
    output_console().print(table)
