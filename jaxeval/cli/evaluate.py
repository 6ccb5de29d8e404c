"""`jaxeval evaluate`, `compare`, `explain` and `stats`: the commands that read images."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from jaxeval.cli.common_options import compilation_cache_option, quiet_option
from jaxeval.cli.paths import LOCAL_PATH
from jaxeval.cli.process import compiled_programs
from jaxeval.cli.progress import progress_on_stderr
from jaxeval.cli.several_processes import several_processes
from jaxeval.errors import IncompleteError, InputError


def _reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that turns images into features."""
    options = (
        click.option(
            "--extractor",
            default="inception",
            show_default=True,
            metavar="NAME,...",
            help="Networks, such as inception, lite0 or clip-vit-l-14-336; see `jaxeval extractors`.",
        ),
        click.option(
            "--batch-size",
            type=int,
            metavar="N",
            callback=lambda context, parameter, value: "auto" if value is None else value,
            help="Images at a time, on each accelerator or on the processor. [default: 32, on accelerators by memory]",
        ),
        click.option("--limit", type=int, metavar="N", help="A random sample of at most N images of each set."),
        click.option("--limit-first", is_flag=True, help="With --limit: the first N images of each set instead."),
        click.option("--seed", default=0, show_default=True, metavar="N", help="Of everything random."),
        click.option("--num-samples", type=int, metavar="N", help="How many images to draw from call:MODULE:FUNCTION."),
        click.option(
            "--value-range",
            type=float,
            nargs=2,
            metavar="LOW HIGH",
            help="Values that mean black and white in arrays that are not uint8; files have their own.",
        ),
        click.option(
            "--out-of-range",
            default="fail",
            show_default=True,
            metavar="fail|clip",
            help="What to do about values of arrays beyond that range by more than rounding; clipped ones are counted.",
        ),
        click.option(
            "--exact-protocol",
            is_flag=True,
            help="Clip gray of more than 8 bits at 255 as the protocol's reference does, and do not scale it.",
        ),
        click.option(
            "--precision",
            default="highest",
            show_default=True,
            metavar="default|high|highest",
            help="Of the networks' products: full float32, or what JAX code that names none gets on an accelerator.",
        ),
        click.option(
            "--layout", metavar="NHWC|NCHW|NHW", help="Of arrays in .npy and .npz whose shape can be read in two ways."
        ),
        click.option(
            "--on-error",
            default="fail",
            show_default=True,
            metavar="fail|skip",
            help="What to do about an image that cannot be read; skipped ones are counted.",
        ),
        click.option("--threads", type=int, metavar="N", help="That decode images. [default: one per processor]"),
        click.option("--cache", type=LOCAL_PATH, metavar="DIR", help="Keep features and statistics in DIR."),
        click.option(
            "--checkpoint", type=LOCAL_PATH, metavar="DIR", help="Save in DIR, and go on from there after a kill."
        ),
        click.option(
            "--checkpoint-every", default=100, show_default=True, metavar="N", help="Batches between two saves."
        ),
        click.option("--distributed", is_flag=True, help="This is one of several processes; all run this command."),
        click.option("--coordinator", metavar="HOST:PORT", help="Address of process 0. [default: the cluster's]"),
        click.option("--num-processes", type=int, metavar="N", help="How many there are. [default: the cluster's]"),
        click.option("--process-id", type=int, metavar="I", help="Which one this is, from 0. [default: the cluster's]"),
        click.option(
            "--start-timeout",
            type=float,
            default=300.0,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait for processes that have not come.",
        ),
        click.option(
            "--weights-dir",
            type=LOCAL_PATH,
            metavar="DIR",
            envvar="JAXEVAL_WEIGHTS",
            help="Where weights are kept.",
        ),
        compilation_cache_option,
        quiet_option,
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


def _rule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that replace a protocol's own rules, such as the number of splits."""
    options = (
        click.option(
            "--kid-subset-size", type=int, metavar="N", help="Images in each subset of kd. [default: the protocol's]"
        ),
        click.option("--kid-subsets", type=int, metavar="N", help="Subsets of kd. [default: the protocol's]"),
        click.option(
            "--k",
            type=int,
            metavar="N",
            help="Balls reach to the N-th neighbour; for prdc, clipped, p-precision-recall, realism, rarity. "
            "[default: each one's own]",
        ),
        click.option(
            "--is-splits", type=int, metavar="N", help="Splits of the Inception score. [default: the protocol's]"
        ),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@click.command(short_help="Compare generated images with a reference.")
@click.argument("reference")
@click.argument("generated", nargs=-1, required=True)
@click.option(
    "--metrics",
    metavar="NAME,...",
    help="Names, or all that can be had; see `jaxeval metrics`. [default: the Fréchet distance]",
)
@click.option("--held-out", metavar="DATA", help="Real images the generator has not seen; for fld and c-t.")
@click.option(
    "--captions",
    type=LOCAL_PATH,
    metavar="FILE",
    help="Captions of generated images, name TAB caption; for clip-score.",
)
@click.option(
    "--protocol",
    default="torch-fidelity",
    show_default=True,
    metavar="NAME,...",
    help="Whose definition; several give several columns. See `jaxeval protocols`.",
)
@_rule_options
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write result.json into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document, and nothing else, on stdout.")
@_reading_options
def evaluate(reference: str, generated: tuple[str, ...], out: str | None, as_json: bool, **options: Any) -> None:
    """Compare one or more sets of GENERATED images with a REFERENCE.

    Each is a folder, a zip, a tar or a pattern of tar shards, an .npy or .npz, or tfds:NAME:SPLIT; or a file of
    statistics or features, as `jaxeval stats`, ADM, pytorch-fid, clean-fid, torch-fidelity, dgm-eval, EDM2 and StyleGAN
    write them. Image files as GENERATED, such as a shell makes of fake/*.png, are one set. ADM's .npz as REFERENCE
    gives ADM's five numbers under --protocol adm.
    """
    from jaxeval.evaluation import evaluate as run
    from jaxeval.report import output_console, print_results

    with _session({**options, "reference": reference, "generated": list(generated)}, out) as session:
        _run(
            session,
            run,
            lambda found: found.results,
            lambda found: print_results(found.results, output_console(), found.not_computed),
            out,
            as_json,
        )


@click.command(short_help="Tell whether two sets differ beyond chance.")
@click.argument("first")
@click.argument("second")
@click.option("--reference", required=True, metavar="DATA", help="The real images, or their statistics.")
@click.option(
    "--metrics", default="fd,kd-full,prdc", show_default=True, metavar="NAME,...", help="See `jaxeval metrics`."
)
@click.option("--held-out", metavar="DATA", help="Real images the generators have not seen; for fld and c-t.")
@click.option(
    "--captions",
    type=LOCAL_PATH,
    metavar="FILE",
    help="Captions of generated images, name TAB caption; for clip-score.",
)
@click.option("--protocol", default="torch-fidelity", show_default=True, metavar="NAME,...", help="Whose definition.")
@_rule_options
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write comparison.json into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document, and nothing else, on stdout.")
@_reading_options
def compare(out: str | None, as_json: bool, **options: Any) -> None:
    """Compare the generated sets FIRST and SECOND by one reference.

    Prints both values, their difference with its interval, and the probability of so large a difference by chance: if
    the number does not differ, and if both sets are of one generator.
    """
    from jaxeval.evaluation import compare as run
    from jaxeval.report import output_console, print_comparison

    with _session(options, out) as session:
        _run(
            session,
            run,
            lambda found: found.differences,
            lambda found: print_comparison(found, output_console()),
            out,
            as_json,
        )


@click.command(short_help="Tell why two protocols give two numbers.")
@click.argument("reference")
@click.argument("generated")
@click.option("--protocols", required=True, metavar="FIRST,SECOND", help="From whose definition to whose.")
@click.option("--out", type=LOCAL_PATH, metavar="DIR", help="Write explanation.json into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document, and nothing else, on stdout.")
@_reading_options
def explain(out: str | None, as_json: bool, **options: Any) -> None:
    """Tell where the difference of the Fréchet distance of GENERATED from REFERENCE under two protocols comes from.

    One rule after the other is replaced, levels, resize, network input, precision, dropped images, covariance, root;
    each step's share is what that changes. --precision takes two here, as in default,highest.
    """
    from jaxeval.evaluation import explain as run
    from jaxeval.report import output_console, print_explanation

    with _session(options, out) as session:
        _run(
            session,
            run,
            lambda found: found.steps,
            lambda found: print_explanation(found, output_console()),
            out,
            as_json,
        )


def _run(
    session: "_Session",
    work: Callable[..., Any],
    numbers: Callable[[Any], Sequence[Any]],
    show: Callable[[Any], None],
    out: str | None,
    as_json: bool,
) -> None:
    """Computes a document and delivers it, or what there is of it when something goes wrong.

    Args:
      session: this process's part.
      work: gives the document.
      numbers: of a document.
      show: prints a document as a table.
      out: folder to write it into, if any.
      as_json: whether it is printed as JSON instead.

    Raises:
      IncompleteError: the document is delivered, but numbers that were asked for are missing from it.
    """
    from jaxeval._faults import finished_before

    def deliver(document: Any) -> None:
        if not session.writes:
            return
        written, failure = None, None
        try:
            written = None if out is None else document.save(out)
        except InputError as error:  # the numbers are still printed
            failure = error
        if as_json:
            click.echo(document.to_json())
        else:
            show(document)
        if written is not None:
            click.echo(f"wrote {written}", err=as_json)
        if failure is not None:
            raise failure

    try:
        with session.watched() as more:
            document = work(**more)
    except BaseException as error:
        partial = finished_before(error)
        if partial is not None and numbers(partial):
            try:
                deliver(partial)  # hours of work may lie in what was finished before
            except InputError as second:
                click.echo(f"jaxeval: {second}", err=True)
        raise
    deliver(document)
    if document.missing:
        first, more = document.missing[0], len(document.missing) - 1
        error = IncompleteError(f"not computed: {first}" + (f"; and {more} more" if more else ""))
        error.said_elsewhere = not session.writes
        raise error


@click.command(short_help="Write reusable statistics of a reference set.")
@click.argument("data")
@click.option("--out", "path", type=LOCAL_PATH, required=True, metavar="FILE.npz", help="Where to write them.")
@click.option("--features", is_flag=True, help="Keep every image's features, so that all metrics over them work.")
@click.option("--protocol", default="torch-fidelity", show_default=True, metavar="NAME", help="Whose definition.")
@_reading_options
def stats(data: str, path: str, **options: Any) -> None:
    """Compute the feature statistics of DATA once, for `evaluate` to use in the place of the images.

    Without --features they are a mean and a covariance, for the Fréchet distance.
    """
    from pathlib import Path

    from jaxeval.evaluation import reference_statistics, statistics_remarks
    from jaxeval.report import output_console, print_warnings

    with _session({**options, "data": data, "path": path}, str(Path(path).parent)) as session:
        with session.watched() as more:
            statistics = reference_statistics(**more)
        if session.writes:
            click.echo(f"wrote {path}: {statistics.count:,} images, {statistics.feature_size:,} features")
            print_warnings(statistics_remarks(path), output_console())


class _Session:
    """A command's part in a run of one process or of several."""

    # What may differ from host to host.
    _FREE = ("compilation_cache", "quiet", "threads", "weights_dir")

    def __init__(self, options: dict[str, Any], out: str | None):
        from jaxeval.distributed import Processes, agree_on, start, together
        from jaxeval.files import check_writable

        own = {name: options.pop(name) for name in ("coordinator", "num_processes", "process_id")}
        given = [f"--{name.replace('_', '-')}" for name, value in own.items() if value is not None]
        if given and not options["distributed"]:
            raise click.UsageError(f"{given[0]} is for runs of several processes; give --distributed too")
        timeout = options.pop("start_timeout")
        if not options["distributed"]:
            processes = Processes()
        else:
            say = None if options["quiet"] else functools.partial(click.echo, err=True)
            processes = start(**own, timeout=timeout, say=say)
        if processes.count > 1:
            agree_on("command", repr([out, *sorted((key, options[key]) for key in options if key not in self._FREE)]))
        together(lambda: check_writable(out) if out is not None and processes.writes else None)
        self.writes = processes.writes
        self._options = {name: value for name, value in options.items() if name != "compilation_cache"}

    @contextlib.contextmanager
    def watched(self) -> Iterator[dict[str, Any]]:
        """The options, with someone to tell of the progress, and SIGTERM noticed where there is a place to save to."""
        from jaxeval.distributed import preemption_notice

        options = dict(self._options)
        with contextlib.ExitStack() as stack:
            progress = stack.enter_context(progress_on_stderr(options.pop("quiet") or not self.writes))
            stop = stack.enter_context(preemption_notice()) if options["checkpoint"] is not None else None
            yield {**options, "progress": progress, "stop": stop}


@contextlib.contextmanager
def _session(options: dict[str, Any], out: str | None) -> Iterator[_Session]:
    if not options["distributed"]:
        with compiled_programs(options["compilation_cache"]):
            yield _Session(options, out)
        return
    with several_processes(options["quiet"]), compiled_programs(options["compilation_cache"]):
        yield _Session(options, out)
