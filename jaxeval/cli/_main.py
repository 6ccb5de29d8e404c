"""Entry point: the command group, and how an error becomes one sentence and an exit code."""

import sys
import traceback
from collections.abc import Sequence

import click

from jaxeval._version import __version__
from jaxeval.cli.detect import detect
from jaxeval.cli.evaluate import compare, evaluate, explain, stats
from jaxeval.cli.human import human
from jaxeval.cli.inform import extractors, metrics, protocols
from jaxeval.cli.pairs import pairs, score
from jaxeval.cli.process import keep_freed_memory
from jaxeval.cli.several_processes import leave_if_broken
from jaxeval.cli.weights import weights
from jaxeval.errors import JaxevalError, OutOfMemoryError, lack_of_memory

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 a fault of jaxeval, 2 bad usage or input or too little memory, 3 weights missing, 4 "
    "done but for numbers that could not be computed, 69 another process of the run went away, 75 told to end, or "
    "another process went away, and saved: the same command goes on, 130 interrupted. Every command takes --debug for "
    "a traceback.",
)
@click.version_option(__version__, message="jaxeval %(version)s")
def app() -> None:
    """Measure generated images against real ones, by a definition that is named."""


for command in (
    evaluate,
    compare,
    explain,
    pairs,
    score,
    human,
    detect,
    stats,
    weights,
    protocols,
    metrics,
    extractors,
):
    app.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Without `arguments` it is the program of this process, takes them from `sys.argv`, and sets the allocator up.

    0 done, 1 a fault of jaxeval, 2 bad usage or input or too little memory, 3 weights missing, 4 done but for numbers
    that could not be computed, 69 another process of the run went away, 75 told to end, or another process went away,
    and saved: the same command goes on, 130 interrupted.
    """
    if arguments is not None:
        return _run(arguments)
    keep_freed_memory()
    code = _run(sys.argv[1:])
    leave_if_broken(code)
    return code


def _run(given: Sequence[str]) -> int:
    arguments = list(given)
    # Taken out here, so that it works in any place and also for errors in the usage itself.
    debug = "--debug" in arguments
    try:
        code = app.main([argument for argument in arguments if argument != "--debug"], "jaxeval", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return _say(_usage(error), error.exit_code, debug)
    except JaxevalError as error:
        return error.exit_code if error.said_elsewhere else _say(str(error), error.exit_code, debug)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted; what is in the --cache folder is kept", _INTERRUPTED, debug)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone, so that nobody is left to be told
        return 1
    except Exception as error:
        lacking = lack_of_memory(error)
        if lacking is not None:
            advice = "lower --batch-size, --threads or --limit, where the command has them"
            return _say(f"there is not enough memory ({lacking}); {advice}", OutOfMemoryError.exit_code, debug)
        text = " ".join(str(error).split()) or "no message"
        return _say(
            f"a fault in jaxeval ({type(error).__name__}: {text}); run again with --debug and report it", 1, debug
        )


def _usage(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "jaxeval"
    return f"{message[:1].lower()}{message[1:]}; see `{command} --help`"


def _say(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    # Names of files and cells are the user's: what would move the cursor or change colours is shown, not done.
    plain = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message)
    print(f"jaxeval: {plain}", file=sys.stderr)
    return code
