"""The options that the commands of `jaxeval detect` have in common, and what they do with a result."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.paths import LOCAL_PATH

_Command = TypeVar("_Command", bound=Callable[..., Any])

weights_dir_option = click.option(
    "--weights-dir", type=LOCAL_PATH, metavar="DIR", envvar="JAXEVAL_WEIGHTS", help="Where weights are kept."
)
_DETECTOR = (
    "That looks at the images: ocr, faces, onnx:FILE?decoding=NAME or MODULE:FUNCTION; see `detect find --list`."
)
_LOOKING = (
    click.option("--cache", type=LOCAL_PATH, metavar="DIR", help="Keep what a detector finds, and go on from there."),
    click.option(
        "--batch-size", default=8, show_default=True, metavar="N", help="Images that a detector gets at once."
    ),
    click.option("--threads", type=int, metavar="N", help="That decode images. [default: one per processor]"),
    click.option(
        "--on-error",
        default="fail",
        show_default=True,
        metavar="fail|skip",
        help="What to do about an image that cannot be read.",
    ),
)
_FOUND = click.option(
    "--found",
    type=LOCAL_PATH,
    multiple=True,
    metavar="FILE",
    help="In place of a detector: what was found, a file for each set that `jaxeval detect find` wrote, or a table "
    "with the columns image, label, score and the box.",
)
_NAMES = (
    click.option(
        "--pattern", metavar="NAME", help="What images are called, * for the prompt's name and # for any number."
    ),
    click.option(
        "--unmatched",
        default="error",
        show_default=True,
        metavar="error|skip",
        help="What to do about an image without a prompt, or a prompt without an image.",
    ),
)
_OUTPUT = (
    click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write detection.json and exhibits/ into DIR."),
    click.option("--worst", default=8, show_default=True, metavar="N", help="Images of each set to draw; 0 for none."),
    click.option("--json", "as_json", is_flag=True, help="Print detection.json, and nothing else, on stdout."),
    compilation_cache_option,
    quiet_option,
)


def detector_option(default: str | None = None) -> Callable[[_Command], _Command]:
    """`--detector`, with a default where a task has one."""
    return click.option("--detector", metavar="SPEC", default=default, show_default=True, help=_DETECTOR)


def looking_options(command: _Command) -> _Command:
    """Options on how a detector looks at images."""
    return _with(command, _LOOKING)


def judging_options(*, default: str | None = None) -> Callable[[_Command], _Command]:
    """Options of commands that judge images by their prompts: whose boxes, which image is whose, and what is written.

    Args:
      default: the detector.
    """
    options = (detector_option(default), _FOUND, weights_dir_option, *_NAMES, *_LOOKING, *_OUTPUT)
    return lambda command: _with(command, options)


def output_options(command: _Command) -> _Command:
    """Options on what is written and printed."""
    return _with(command, _OUTPUT)


def _with(command: _Command, options: tuple[Callable[[_Command], _Command], ...]) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def given_boxes(images: Sequence[str], found: Sequence[str], detector: str | None) -> dict[str, Any]:
    """The arguments `images`, `found` and `detector` of a task.

    Raises:
      UsageError: there is nothing to judge, or nothing that finds boxes in it.
    """
    if not images and not found:
        raise click.UsageError("there is nothing to judge; give IMAGES, or --found FILE")
    if not found and detector is None:
        raise click.UsageError("nothing finds boxes in IMAGES; give --detector SPEC, or --found FILE of what was found")
    explicit = detector is not None and _given("detector")
    if found and explicit:
        raise click.UsageError("--detector looks at images, and --found has what was found; give one of them")
    return {
        "images": list(images) or None,
        "found": list(found) or None,
        "detector": None if found else detector,
    }


def loaded_detector(spec: str | None, weights_dir: str | None) -> Any:
    """The detector for tasks that know no folder of weights; None where there is none."""
    from jaxeval.detection import load_detector

    return None if spec is None else load_detector(spec, weights_dir=weights_dir)


def _given(name: str) -> bool:
    """Whether the user wrote an option, and it has not just its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def check_output(out: str | None, worst: int) -> None:
    """Refuses, before anything is looked at, what could not be written in the end."""
    from jaxeval.files import check_writable

    if worst < 0:
        raise click.UsageError(f"--worst is {worst}; it must be 0 or more")
    if out is not None:
        check_writable(out)


def finish(
    evaluation: Any, images: Sequence[str] | Mapping[str, str], *, out: str | None, worst: int, as_json: bool
) -> None:
    """Writes what was asked for and prints the result.

    Args:
      evaluation: a `DetectionEvaluation`.
      images: the sets of images as they were given, or by the sets' names; none where there were boxes alone.
      out: the folder to write into; None for none.
      worst: images of each set to draw.
      as_json: whether the JSON document is printed in place of the table.
    """
    from pathlib import Path

    from jaxeval.report import draw_detection, output_console, print_detection

    written, note = [], None
    if out is not None:
        written = [evaluation.save(out)]
        if worst and not images:
            note = "nothing is drawn, as boxes came from files; give their images, too, for exhibits"
        elif worst:
            sets = images if isinstance(images, Mapping) else {one: one for one in images}
            written += draw_detection(evaluation, Path(out) / "exhibits", images=sets, count=worst)
    if as_json:
        click.echo(evaluation.to_json())
    else:
        print_detection(evaluation, output_console())
    for path in written:
        click.echo(f"wrote {path}", err=as_json)
    if note is not None:
        click.echo(f"note: {note}", err=True)


def pairs_of(given: Sequence[str], option: str, form: str) -> dict[str, str]:
    """What was given as NAME=VALUE, by name.

    Args:
      given: each as it was written.
      option: for messages.
      form: what to give, for messages.

    Raises:
      UsageError: one has no `=`, or a name stands twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise click.UsageError(f"{option} is {text!r}; give {form}")
        if name in found:
            raise click.UsageError(f"{option} names {name!r} twice; give it once")
        found[name] = value
    return found
