"""Being told to end: clusters send SIGTERM some seconds before they take a machine away."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def preemption_notice() -> Iterator[Callable[[], bool]]:
    """Within the context SIGTERM does not end the process; the function that it gives says whether it has come.

    To be entered after the processes of a run have been joined, since JAX's runtime sets a handler of its own then. In
    a thread other than the main one no handler can be set, and the answer is always no.
    """
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:
        told.set()

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield told.is_set
    finally:
        # None stands for a handler that was not set from Python, which cannot be put back.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
