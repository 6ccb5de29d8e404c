"""How a command of several processes ends when one of them goes away: with our sentence and exit code, and at once.

JAX's runtime ends a program by SIGABRT when a process of it is lost, process 0 at once, another one after its heartbeat
has been missing, and a survivor that leaves in order waits for the lost one first. A command owns its process, and so
may do what a library must not: take SIGABRT, and leave without taking leave.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from jaxeval.cli.native_output import NativeOutput
from jaxeval.errors import JaxevalError

# Seconds that the main thread has to come back from an exchange by itself, with what was finished before.
_GRACE = 10.0
# Seconds from an abort of the runtime to word of the process that was lost; the runtime may have been the first to see.
_WORD = 3.0
_kept: list[Any] = []  # handlers that may still be called while the process ends


@contextlib.contextmanager
def several_processes(quiet: bool) -> Iterator[None]:
    """Around all that a process of several does.

    Args:
      quiet: whether reports of JAX's libraries are dropped.

    Raises:
      ProcessLostError: process 0, which writes the results, has gone before this process was done.
    """
    from jaxeval.distributed import peers

    with NativeOutput(quiet) as output:
        ending = _Ending(output)
        try:
            with ending.aborts_answered():
                threading.Thread(target=ending.watch, name="jaxeval-ending", daemon=True).start()
                yield
                if peers.watch is not None:
                    # JAX's own end waits for process 0 too, but aborts where that is lost meanwhile.
                    peers.watch.wait_for_first()
                lost = peers.lost()
                if lost is not None and lost.index == 0:
                    raise peers.error(lost)
                _take_leave()
        except JaxevalError:
            _take_leave()  # such an error is one on all processes
            raise
        except Exception:
            if peers.lost() is None:
                output.release()
            raise
        finally:
            ending.over.set()
            if peers.lost() is not None:
                output.keep()  # the runtime may still speak


def _take_leave() -> None:
    from jaxeval.distributed import peers

    if peers.watch is not None and peers.watch.lost is None:
        peers.watch.end()


def leave_if_broken(code: int) -> None:
    """Ends the process with `code` where an orderly end, which waits for the others, would not come."""
    module: Any = sys.modules.get("jaxeval.distributed")
    watch = None if module is None else module.peers.watch
    if watch is not None and (watch.lost is not None or not watch.ended):
        _leave(code)


class _Ending:
    def __init__(self, output: NativeOutput):
        self.over = threading.Event()
        self._output = output

    def watch(self) -> None:
        """Ends the process where the main thread waits for a process that has gone, or for nobody's sake."""
        from jaxeval.distributed import peers

        while not self.over.wait(0.5):
            lost = peers.lost()
            if lost is None:
                continue
            # Alone it may go on to a result where it is the one to write it.
            while not self.over.wait(_GRACE):
                if peers.waiting or lost.index == 0:
                    self._say_and_leave()
            return

    @contextlib.contextmanager
    def aborts_answered(self) -> Iterator[None]:
        """Within the context, an abort by JAX's runtime because a process is lost becomes an orderly end."""
        from jaxeval.distributed import peers

        try:
            libc = ctypes.CDLL(None)
            libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
        except (AttributeError, OSError, TypeError):  # not a POSIX system
            yield
            return
        # Not by `signal.signal`, whose functions run in the main thread once it is back in Python: the default action
        # ends the process as soon as the signal's own handler returns.
        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(self._aborted)
        before = libc.signal(signal.SIGABRT, ctypes.cast(handler, ctypes.c_void_p))
        self._reset = lambda: libc.signal(signal.SIGABRT, before)
        try:
            yield
        finally:
            if peers.lost() is None:
                self._reset()
            else:
                _kept.append(handler)

    def _aborted(self, number: int) -> None:
        from jaxeval.distributed import peers

        lost = None if peers.watch is None else peers.watch.wait(_WORD)
        if lost is None:
            self._output.release()
            self._reset()
            return  # to the default action
        if threading.current_thread() is threading.main_thread():
            self._say_and_leave()
        threading.Event().wait()  # a thread of the runtime, which is of no use any more: the main thread ends it all

    def _say_and_leave(self) -> None:
        from jaxeval.distributed import peers

        error = peers.error(peers.lost())
        print(f"jaxeval: {error}", file=sys.stderr)
        _leave(error.exit_code)


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
