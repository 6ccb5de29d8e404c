"""`jaxeval weights`: what networks there are, and getting their weights."""

from typing import Any

import click

from jaxeval.cli.paths import LOCAL_PATH


@click.group(short_help="List, import, download and verify network weights.")
def weights() -> None:
    """The networks that jaxeval knows, and their weights, kept under their SHA-256."""


_folder = click.option(
    "--weights-dir", type=LOCAL_PATH, metavar="DIR", envvar="JAXEVAL_WEIGHTS", help="Where weights are kept."
)


@weights.command("list")
@_folder
def list_(weights_dir: str | None) -> None:
    """List every known network and whether its weights are there."""
    _print(_store(weights_dir).list())


@weights.command("import")
@click.argument("name")
@click.argument("file", type=LOCAL_PATH)
@click.option("--ranges", type=LOCAL_PATH, metavar="FILE", help="Of a BRISQUE regression: its features' ranges.")
@click.option("--unverified", is_flag=True, help="Take weights of your own, whose checksum is not the published one.")
@_folder
def import_(name: str, file: str, ranges: str | None, unverified: bool, weights_dir: str | None) -> None:
    """Take the weights of network NAME from FILE (.pth, .safetensors, .mat, ...); nothing in it is executed."""
    row = _store(weights_dir).import_file(name, file, ranges=ranges, unverified=unverified)
    click.echo(f"{row.name}: {row.state}, {row.path}")


@weights.command()
@click.argument("name")
@_folder
def download(name: str, weights_dir: str | None) -> None:
    """Download the published weights of network NAME and verify their checksum."""
    row = _store(weights_dir).download(name)
    click.echo(f"{row.name}: {row.state}, {row.path}")


@weights.command()
@_folder
@click.pass_context
def verify(context: click.Context, weights_dir: str | None) -> None:
    """Read all weights again and compare them with their checksums; exit code 2 where one is damaged."""
    rows = _store(weights_dir).verify()
    _print(rows)
    if any(row.state == "damaged" for row in rows):
        context.exit(2)


def _store(folder: str | None) -> Any:
    from jaxeval.extractors import WeightsStore

    return WeightsStore(folder)


def _print(rows: Any) -> None:
    from rich import box
    from rich.table import Table

    from jaxeval.report import output_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("name", "state", "description", "licence", "checked by", "sha256", "size"):
        table.add_column(heading)
    for row in rows:
        size = "" if not row.bytes else f"{row.bytes / 1e6:.1f} MB"
        checked = "" if row.state == "custom" else row.checksum
        table.add_row(row.name, row.state, row.description, row.licence, checked, (row.sha256 or "")[:12], size)
    output_console().print(table)
