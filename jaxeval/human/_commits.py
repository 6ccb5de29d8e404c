"""One thread that writes for all others: what waits is committed together, so that a sync of the disk serves many.

Each piece of work has a savepoint of its own; one that fails is taken back alone. Whoever asked is told when all that
was done is durable, and not before.
"""

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import sqlalchemy as sa

from jaxeval.human.database import AWAY, writing

_MOST_TOGETHER = 64
_TRIES = 5


@dataclasses.dataclass(frozen=True)
class _Work:
    order: int
    do: Callable[[sa.Connection], Any]
    done: Future[Any]


class Committer:
    """Does work on a database in transactions that several share.

    Args:
      engine: of the database.
    """

    def __init__(self, engine: sa.Engine):
        self._engine = engine
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jaxeval commits", daemon=True)
        self._thread.start()

    def submit(self, do: Callable[[sa.Connection], Any], order: int) -> "Future[Any]":
        """Has something done; the result is there once it is durable.

        Args:
          do: is given the connection. It may be called again after a failure of the database, also where what it did
            was committed all the same, as when the connection is lost just then.
          order: work of one transaction is done in ascending order, so that transactions of several processes lock rows
            in the same order.
        """
        if self._closed.is_set():
            raise RuntimeError("the database was closed")
        done: Future[Any] = Future()
        self._queue.put(_Work(order, do, done))
        return done

    def close(self) -> None:
        """Ends once all work is done; where it has ended, nothing is done."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while len(batch) < _MOST_TOGETHER:
                with contextlib.suppress(queue.Empty):
                    batch.append(self._queue.get_nowait())
                    continue
                break
            ended = None in batch
            # Whoever does not wait any more has cancelled; from here on nobody can, and what is done is told.
            work = [one for one in batch if one is not None and one.done.set_running_or_notify_cancel()]
            if work:
                self._commit(sorted(work, key=lambda one: one.order))

    def _commit(self, batch: list[_Work], most_tries: int = _TRIES) -> None:
        results: list[tuple[Any, BaseException | None]] = []
        for tries in range(1, most_tries + 1):
            try:
                results = self._together(batch)
                break
            except AWAY as error:
                if tries < most_tries:
                    self._closed.wait(0.02 * 2**tries)
                elif len(batch) > 1:  # it may be one of them alone that cannot be done
                    for one in batch:
                        self._commit([one], 1)
                    return
                else:
                    batch[0].done.set_exception(error)
                    return
            except BaseException as error:
                for one in batch:
                    one.done.set_exception(error)
                return
        for one, (result, error) in zip(batch, results, strict=True):
            if error is None:
                one.done.set_result(result)
            else:
                one.done.set_exception(error)

    def _together(self, batch: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        results: list[tuple[Any, BaseException | None]] = []
        with writing(self._engine) as connection:
            for one in batch:
                try:
                    with connection.begin_nested():
                        results.append((one.do(connection), None))
                except AWAY:
                    raise
                except Exception as error:
                    results.append((None, error))
        return results
