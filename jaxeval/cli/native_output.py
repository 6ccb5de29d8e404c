"""What the libraries under JAX write to file descriptors 1 and 2: apart from our results, and from our sentences.

Gloo reports on descriptor 1, which is for results alone. When a process of the run goes away JAX's coordination service
fills descriptor 2 with what it is not to blame for, and ends the program; we say it in one sentence.
"""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO

_HEADER = re.compile(rb"[IWEF]\d{4} \d\d:\d\d:\d\d")  # of a message of absl's logging
_OF_COORDINATION = re.compile(
    rb"coordination_service|preemption_sync|client\.h:|distributed_runtime|Check failure stack"
)
_OF_GLOO = b"[Gloo]"


class NativeOutput:
    """Within the context `sys.stdout` and `sys.stderr` go where they went, and all else on 1 and 2 through a filter.

    Args:
      quiet: whether Gloo's reports are dropped.
    """

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self._held: list[bytes] = []
        self._in_coordination = False
        self._restore = True

    def __enter__(self) -> "NativeOutput":
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._originals = os.dup(1), os.dup(2)
        read, write = os.pipe()
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(write)
        self._streams = contextlib.ExitStack()
        results, messages = map(_reopened, self._originals, (sys.stdout, sys.stderr))
        self._streams.enter_context(contextlib.redirect_stdout(results))
        self._streams.enter_context(contextlib.redirect_stderr(messages))
        self._thread = threading.Thread(target=self._pass_on, args=(read,), name="jaxeval-native-output", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if not self._restore:
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._streams.close()
        for descriptor, original in zip((1, 2), self._originals, strict=True):
            os.dup2(original, descriptor)
        self._thread.join(timeout=5)  # longer only where a child of ours has the pipe too
        for original in self._originals:
            os.close(original)

    def keep(self) -> None:
        """Leaves everything as it is at the end of the context, since the process is about to end with it."""
        self._restore = False

    def release(self) -> None:
        """Passes on what the coordination service said and says: there is no sentence of ours that stands for it."""
        held, self._held = self._held, []
        for line in held:
            os.write(self._originals[1], line)

    def _pass_on(self, read: int) -> None:
        with open(read, "rb", buffering=0) as pipe:
            for line in _lines(pipe):
                if _OF_GLOO in line:
                    shown = not self._quiet
                else:
                    if _HEADER.match(line) or line.startswith(b"*** "):
                        self._in_coordination = _OF_COORDINATION.search(line) is not None
                    shown = not self._in_coordination
                if shown:
                    os.write(self._originals[1], line)
                else:
                    self._held.append(line)


def _reopened(descriptor: int, like: TextIO) -> TextIO:
    return open(descriptor, "w", 1, encoding=like.encoding, errors=like.errors, closefd=False)


def _lines(pipe: Any) -> Iterator[bytes]:
    """Yields what arrives in a pipe line by line, each as soon as it is whole."""
    rest = b""
    while content := pipe.read(65536):
        *whole, rest = (rest + content).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest
