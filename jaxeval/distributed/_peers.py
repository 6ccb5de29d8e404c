"""The other processes of the run while it goes on: every exchange with them ends, if with an error that says who left.

What an exchange runs into when a process has gone is the business of a library (Gloo, NCCL, gRPC), and its message says
neither which process it was nor what to do. The watch of `roll_call` knows the first; the run notes what it has saved.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator

import jax

from jaxeval.distributed.roll_call import LostProcess, Watch
from jaxeval.errors import JaxevalError, ProcessLostError

# Seconds between the failure of an exchange and word from process 0 whose fault it was.
_WORD = 5.0
# What libraries say of a connection that has ended, or of a process that does not answer.
_BROKEN = (
    "gloo",
    "nccl",
    "connection",
    "socket closed",
    "unavailable",
    "heartbeat",
    "coordination",
    "deadline_exceeded",
    "aborted",
    "barrier",
)


@dataclasses.dataclass
class Peers:
    """What this process knows of the others.

    Attributes:
      watch: notices who goes away; None where JAX's runtime was started by someone else.
      saved: what the next run would go on from, as the end of a sentence; None where nothing is saved.
      waiting: how many exchanges with the others this process is in.
    """

    watch: Watch | None = None
    saved: str | None = None
    waiting: int = 0

    def __post_init__(self):
        self._lock = threading.Lock()

    def lost(self) -> LostProcess | None:
        """The process that has gone away, or None while all are there."""
        return None if self.watch is None else self.watch.lost

    def error(self, lost: LostProcess | None) -> ProcessLostError:
        """The error that tells the user which process has gone, and how to go on."""
        gone = "another process of the run went away" if lost is None else str(lost)
        if self.saved is None:
            return ProcessLostError(
                f"{gone}, and nothing is saved; give the same command to all processes again "
                "(with --checkpoint DIR the next run goes on from there)"
            )
        error = ProcessLostError(f"{gone}; {self.saved}; give the same command again to go on")
        error.exit_code = 75  # as when the run itself was told to end: it can be started again
        return error

    @contextlib.contextmanager
    def during_exchange(self) -> Iterator[None]:
        """The context of an exchange with other processes; `exchange` says what it does."""
        lost = self.lost()
        if lost is not None:
            raise self.error(lost)
        with self._lock:
            self.waiting += 1
        try:
            yield
        except JaxevalError:
            raise
        except Exception as error:
            lost = self.lost()
            if lost is None and _is_broken(error):
                lost = None if self.watch is None else self.watch.wait(_WORD)
                raise self.error(lost) from error
            if lost is None:
                raise
            raise self.error(lost) from error
        finally:
            with self._lock:
                self.waiting -= 1


peers = Peers()
"""Of this process: JAX's runtime, too, is one for all that runs in it."""


@contextlib.contextmanager
def exchange() -> Iterator[None]:
    """Around whatever needs the other processes.

    Raises:
      ProcessLostError: one of them has gone.
    """
    if jax.process_count() == 1:
        yield
        return
    with peers.during_exchange():
        yield


def _is_broken(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, RuntimeError | ValueError | OSError) and any(word in text for word in _BROKEN)
