"""`jaxeval detect rules`: whether images keep the rules of their prompts."""

from typing import Any

import click

from jaxeval.cli.detect_options import check_output, finish, given_boxes, judging_options
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr


def _schema(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        import json

        from jaxeval.detection.rules import RULES_SCHEMA

        click.echo(json.dumps(RULES_SCHEMA, indent=2))
        context.exit()


@click.command(short_help="Do images keep rules of what they must show?")
@click.argument("rules", type=LOCAL_PATH)
@click.argument("images", nargs=-1)
@click.option(
    "--colours", metavar="named|clip", help="How colours are told. [default: as RULES say, and named where they do not]"
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_schema,
    help="Print the JSON schema of RULES, and leave.",
)
@judging_options()
def rules(
    rules: str,
    images: tuple[str, ...],
    detector: str | None,
    found: tuple[str, ...],
    out: str | None,
    worst: int,
    as_json: bool,
    compilation_cache: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Judge IMAGES by RULES of what each must show: objects, how many, where, in which colours.

    RULES is a .json file (--schema): prompts with names, and for each a rule. Each of IMAGES is a folder, an archive or
    an array file, whose images are called NAME.png, NAME_0.png, NAME/0.png and so on. Where rules ask for colours,
    --found needs IMAGES too.
    """
    from jaxeval.detection.rules import score_rules

    check_output(out, worst)
    boxes = given_boxes(images, found, detector)
    with compiled_programs(compilation_cache), progress_on_stderr(quiet) as progress:
        evaluation = score_rules(rules, **boxes, progress=progress, **options)
    finish(evaluation, images, out=out, worst=worst, as_json=as_json)
