"""`jaxeval human collect`: a study from sets of images."""

from typing import Any

import click

from jaxeval.cli.common_options import quiet_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.progress import progress_on_stderr


@click.command(short_help="Make a study of images for raters.")
@click.argument("sets", nargs=-1, required=True)
@click.option(
    "--design",
    required=True,
    metavar="NAME",
    help="2afc (which of two), best-of-n (best and worst of 3 or 4), mos (scores of 1 to 5) or real-or-fake.",
)
@click.option("--out", required=True, type=LOCAL_PATH, metavar="STUDY", help="The folder to make.")
@click.option(
    "--reference", type=LOCAL_PATH, metavar="SET", help="Shown beside the images; of real-or-fake the real ones."
)
@click.option(
    "--prompts", type=LOCAL_PATH, metavar="FILE", help="A .csv, .jsonl or .txt of name, prompt and perhaps category."
)
@click.option("--title", metavar="TEXT", help="Of the page. [default: what the design asks]")
@click.option("--instructions", type=LOCAL_PATH, metavar="FILE", help="What raters are told: a text file.")
@click.option("--questions", multiple=True, metavar="TEXT", help="Asked of every comparison; repeat it for several.")
@click.option("--ties/--no-ties", default=True, help="Whether 2afc has a tie. [default: ties]")
@click.option("--n", type=int, default=3, show_default=True, metavar="3|4", help="Images at once of best-of-n.")
@click.option(
    "--exposures",
    metavar="MS,...",
    help="Of real-or-fake, and unlimited. [default: 100,250,500,1000,unlimited]",
)
@click.option(
    "--trials", type=int, metavar="N", help="Comparisons of a rater's session. [default: all there are, at most 50]"
)
@click.option("--repeats", type=float, default=0.1, show_default=True, metavar="SHARE", help="Of them asked again.")
@click.option(
    "--checks",
    type=float,
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="By which attention checks are added: spoilt images, whose answer is known.",
)
@click.option("--break-every", type=int, default=50, show_default=True, metavar="N", help="Offer a break; 0 for never.")
@click.option(
    "--adaptive",
    type=float,
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Of the pairs of 2afc that are chosen by expected information; the others are drawn uniformly.",
)
@click.option("--access-code", metavar="TEXT", help="What raters have to know who join by themselves.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the schedule.")
@click.option(
    "--sizes",
    default="equal",
    show_default=True,
    metavar="equal|any",
    help="Whether images of one name may differ in size, which tells systems apart.",
)
@click.option(
    "--unmatched",
    default="error",
    show_default=True,
    metavar="error|skip",
    help="What to do about an image without a partner.",
)
@click.option(
    "--alpha",
    default="white",
    show_default=True,
    metavar="drop|white|black",
    help="Lay images over white or black, or drop alpha.",
)
@click.option("--threads", type=int, metavar="N", help="That encode images. [default: one per processor]")
@quiet_option
def collect(
    sets: tuple[str, ...],
    instructions: str | None,
    exposures: str | None,
    break_every: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Make a study of SETS of images, one for each system, matched by name.

    Each is a folder, a .zip or a .tar of images, or an array file (.npy, .npz). Images are written under random names
    and without metadata. Serve the study: jaxeval human serve STUDY.
    """
    from jaxeval.human import create_study

    if instructions is not None:
        options["instructions"] = _text(instructions)
    if exposures is not None:
        options["exposures"] = [_exposure(one.strip()) for one in exposures.split(",")]
    with progress_on_stderr(quiet) as progress:
        study = create_study(list(sets), break_every=break_every or None, progress=progress, **options)
    for remark in study.remarks:
        click.echo(f"warning: {remark}", err=True)
    session, known = study.options, len(study.known)
    click.echo(
        f"{study.design}: {len(study.systems)} systems, {len(study.items):,} items, {len(study.images):,} images, "
        f"{known} attention checks\n"
        f"a session has {session.trials:,} trials, and repeats and checks beside\n"
        f"wrote {study.folder}; serve it: jaxeval human serve {study.folder} --raters N"
    )


def _text(path: str) -> str:
    from pathlib import Path

    from jaxeval.errors import InputError

    try:
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the instructions in {path!r} ({error.strerror}); give another file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the instructions in {path!r} are not UTF-8 (byte {error.start})") from error


def _exposure(text: str) -> int | None:
    if text == "unlimited":
        return None
    if not text.isdecimal():
        raise click.UsageError(f"--exposures {text!r} is neither a number of milliseconds nor unlimited")
    return int(text)
