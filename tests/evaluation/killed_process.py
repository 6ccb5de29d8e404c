"""`jaxeval ARGUMENTS` that is killed at a place: `python killed_process.py PLACE ARGUMENTS`.

PLACE is `batch:N` (before the process takes its N-th batch), `metrics` (once all images are read), `joined` (as soon as
the processes have met), or `nowhere`.
"""

import os
import signal
import sys
from typing import Any
from unittest import mock

from jaxeval.cli import main


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def arrange(place: str) -> None:
    from jaxeval.distributed import startup
    from jaxeval.evaluation import run
    from jaxeval.evaluation.reading import reader

    what, _, number = place.partition(":")
    if what == "batch":
        original, taken = reader.ReadingState.add, []

        def add(state: Any, *more: Any) -> None:
            taken.append(1)
            if len(taken) == int(number):
                die()
            original(state, *more)

        mock.patch.object(reader.ReadingState, "add", add).start()
    elif what == "metrics":
        run.Run.results = die
    elif what == "joined":
        startup.current_processes = die


arrange(sys.argv.pop(1))
sys.exit(main())
